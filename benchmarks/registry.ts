import type { Scenario } from "./scenario.js";
import { bulkLoadScenario } from "./scenarios/bulk-load.js";
import { directFhirScenario } from "./scenarios/direct-fhir.js";
import { ingestScenario } from "./scenarios/ingest.js";
import { liveLatencyScenario } from "./scenarios/live-latency.js";
import { liveSoakScenario } from "./scenarios/live-soak.js";
import { liveSustainedScenario } from "./scenarios/live-sustained.js";
import { materializeScenario } from "./scenarios/materialize.js";
import { memoryScenario } from "./scenarios/memory.js";
import { mergedReadScenario } from "./scenarios/merged-read.js";
import { nightsScenario } from "./scenarios/nights.js";
import { peersScenario } from "./scenarios/peers.js";
import { scaleScenario } from "./scenarios/scale.js";
import { servingScenario } from "./scenarios/serving.js";
import { viewsScenario } from "./views/scenario.js";

/** All scenarios, in the order in which they run and are reported. */
export const scenarios: readonly Scenario[] = [
  directFhirScenario,
  viewsScenario,
  peersScenario,
  materializeScenario,
  ingestScenario,
  scaleScenario,
  bulkLoadScenario,
  nightsScenario,
  memoryScenario,
  servingScenario,
  mergedReadScenario,
  liveLatencyScenario,
  liveSustainedScenario,
  liveSoakScenario,
];
