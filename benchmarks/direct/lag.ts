import { setTimeout as sleep } from "node:timers/promises";
import { Asker } from "../../src/app/bench/asker.js";
import { type Cost, runSide } from "../measure.js";
import type { Figure } from "../scenario.js";
import { type Setting, TYPES } from "./setting.js";

const PROBE = "lag-probe";
/** Name of the figure that tells how many resources the measured run read. */
export const GIVEN = "resources that this run was given";
const DEADLINE_MS = 120_000;

/** Seconds until a question to the lake shows the probe. */
async function seen(lake: Asker): Promise<boolean> {
  const rows = (await lake.get(`views/patient_demographics.json?id=eq.${PROBE}&select=id`)) as unknown[];
  return rows.length === 1;
}

/**
 * How old an answer of the lake is: from storing a patient in the FHIR server until the lake shows it, when a run begins at once. With runs
 * every N minutes add up to N; with Subscriptions see the scenario `live-latency`. The patient is deleted again.
 */
export async function lagFigures(setting: Setting, fhirUrl: string, lakeUrl: string): Promise<Figure[]> {
  const headers = { "Content-Type": "application/fhir+json" };
  const fhir = new Asker({ name: "FHIR server", base: fhirUrl, headers });
  const lake = new Asker({ name: "lake", base: lakeUrl });
  try {
    const increment = (): Promise<Cost> => runSide("source-run", [setting.lake, fhirUrl, "search", ...TYPES]);
    // A run reads what changed within the overlap before the last one again: without this one, everything that was just loaded.
    await increment();
    const probe = { resourceType: "Patient", id: PROBE, gender: "other", birthDate: "1970-01-01" };
    const started = performance.now();
    const { status } = await fhir.send("PUT", `Patient/${PROBE}`, probe);
    if (status !== 201 && status !== 200) throw new Error(`storing the probe was answered with ${status}`);
    const run = await increment();
    while (!(await seen(lake))) {
      if (performance.now() - started > DEADLINE_MS) throw new Error("the lake does not show the probe");
      await sleep(5);
    }
    const seconds = (performance.now() - started) / 1000;
    return [
      { name: "answer lag, FHIR", value: 0, unit: "s" },
      {
        name: "answer lag, lake: a change until it is shown, by a run that begins at once",
        value: seconds,
        unit: "s",
      },
      { name: GIVEN, value: Number(run.facts["fetched"]), unit: "" },
      { name: "an increment of one change, lake's CPU", value: run.cpu, unit: "s" },
    ];
  } finally {
    await fhir.send("DELETE", `Patient/${PROBE}`);
    fhir.close();
    lake.close();
  }
}
