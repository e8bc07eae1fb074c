import { setTimeout as sleep } from "node:timers/promises";
import { Asker } from "../../src/app/bench/asker.js";
import { type Cost, median, repeated, runSide } from "../measure.js";
import type { Figure } from "../scenario.js";
import { type Setting, TYPES } from "./setting.js";

const PROBES = 6;
/** Name of the figure that tells how many resources the measured run read. */
export const GIVEN = "resources that this run was given";
const DEADLINE_MS = 120_000;

/** What one stored patient cost until the lake showed it. */
interface Lag {
  readonly seconds: number;
  readonly run: Cost;
}

async function isSeen(lake: Asker, id: string): Promise<boolean> {
  const rows = (await lake.get(`views/patient_demographics.json?id=eq.${id}&select=id`)) as unknown[];
  return rows.length === 1;
}

/** Stores a patient, runs an increment at once and waits until a question to the lake shows the patient. */
async function lagOf(
  id: string,
  { fhir, lake, increment }: { readonly fhir: Asker; readonly lake: Asker; increment(): Promise<Cost> },
): Promise<Lag> {
  const patient = { resourceType: "Patient", id, gender: "other", birthDate: "1970-01-01" };
  const started = performance.now();
  const { status } = await fhir.send("PUT", `Patient/${id}`, patient);
  if (status !== 201 && status !== 200) throw new Error(`storing the probe was answered with ${status}`);
  const run = await increment();
  while (!(await isSeen(lake, id))) {
    if (performance.now() - started > DEADLINE_MS) throw new Error("the lake does not show the probe");
    await sleep(5);
  }
  return { seconds: (performance.now() - started) / 1000, run };
}

/**
 * How old an answer of the lake is: from storing a patient in the FHIR server until the lake shows it, when a run begins at once. With runs
 * every N minutes add up to N; with Subscriptions see the scenario `live-latency`. The patients are deleted again.
 */
export async function lagFigures(
  setting: Setting,
  fhirUrl: string,
  lakeUrl: string,
  quick: boolean,
): Promise<Figure[]> {
  const ids = Array.from({ length: quick ? 1 : PROBES }, (_, index) => `lag-probe-${index}`);
  const headers = { "Content-Type": "application/fhir+json" };
  const fhir = new Asker({ name: "FHIR server", base: fhirUrl, headers });
  const lake = new Asker({ name: "lake", base: lakeUrl });
  try {
    const increment = (): Promise<Cost> => runSide("source-run", [setting.lake, fhirUrl, "search", ...TYPES]);
    // A run reads what changed within the overlap before the last one again: without this one, everything that was just loaded.
    await increment();
    const lags: Lag[] = [];
    for (const id of ids) lags.push(await lagOf(id, { fhir, lake, increment }));
    const shown = "answer lag, lake: a change until it is shown, by a run that begins at once";
    return [
      { name: "answer lag, FHIR", value: 0, unit: "s" },
      repeated(
        shown,
        "s",
        lags.map(({ seconds }) => seconds),
      ),
      { name: GIVEN, value: median(lags.map(({ run }) => Number(run.facts["fetched"]))), unit: "" },
      repeated(
        "an increment of one change, lake's CPU",
        "s",
        lags.map(({ run }) => run.cpu),
      ),
    ];
  } finally {
    for (const id of ids) await fhir.send("DELETE", `Patient/${id}`);
    fhir.close();
    lake.close();
  }
}
