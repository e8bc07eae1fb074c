import { readdirSync, rmSync, statSync } from "node:fs";
import path from "node:path";
import { Asker } from "../../src/app/bench/asker.js";
import { FhirReads } from "../../src/app/bench/fhir-reads.js";
import { type Cost, runSide } from "../measure.js";
import type { BenchContext } from "../scenario.js";
import { type FhirUnderTest, runningServer, startHapi, startTestServer } from "./fhir-under-test.js";
import { loadFhir } from "./load-fhir.js";
import { cpuOf } from "./server-cpu.js";
import { storedPopulation } from "./stored-population.js";

/** The resource types that the questions need. */
export const TYPES = [
  "Patient",
  "Condition",
  "Encounter",
  "Observation",
  "MedicationRequest",
  "Procedure",
] as const;

/** Patients of the main results. */
export const PATIENTS = 1000;

/** How large, against which server, and for how long. */
export interface Plan {
  readonly quick: boolean;
  readonly patients: number;
  /** Share of the resources that a person has in the generator's full density. */
  readonly density: number;
  /** Day on which the records of the server begin; patients and conditions are there all the same. Undefined: everything. */
  readonly since: string | undefined;
  /** Seconds of each measurement with several clients, and of the interleaved one with one. */
  readonly seconds: number;
  readonly clients: readonly number[];
  /** Base URL of a server to use instead of HAPI. */
  readonly fhir: string | undefined;
  /** Where population, database and lake are kept between runs; undefined: in the scratch folder. */
  readonly keep: string | undefined;
}

/** Reads a scenario's options. */
export function planOf({ quick, options }: BenchContext): Plan {
  const number = (name: string, otherwise: number): number => {
    const value = Number(options[name] ?? otherwise);
    if (Number.isFinite(value) && value > 0) return value;
    throw new Error(`--${name} takes a number above zero, not '${options[name]}'.`);
  };
  const since = options["since"];
  if (since !== undefined && !/^\d{4}-\d{2}-\d{2}$/.test(since))
    throw new Error(`--since takes a day such as 2023-01-01, not '${since}'.`);
  return {
    quick,
    patients: number("patients", quick ? 12 : PATIENTS),
    density: number("density", quick ? 0.3 : 1),
    since,
    seconds: number("seconds", quick ? 0.05 : 10),
    clients: quick ? [1, 10] : [1, 10, 50],
    fhir: options["fhir"],
    keep: options["keep"],
  };
}

/** Everything that questions are asked of, and what it cost to get there. */
export interface Setting {
  readonly lake: string;
  readonly resources: number;
  /** Starting a stopped server again; the data are still there where the server keeps any. */
  startFhir(): Promise<FhirUnderTest>;
  readonly ingest: Cost;
  /** Seconds of processor time that the FHIR server spent on being read for the lake. */
  readonly exportCpu: number | undefined;
  readonly lakeBytes: number;
  readonly fhirBytes: number | undefined;
}

function folderBytes(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(path.join(entry.parentPath, entry.name)).size, 0);
}

/** Makes a server hold the population: loads an empty one, takes one that holds it already, refuses any other. */
async function fill(
  fhir: FhirUnderTest,
  files: readonly string[],
  wanted: Readonly<Record<string, number>>,
  log: (text: string) => void,
): Promise<void> {
  const asker = new Asker({ name: "FHIR server", base: fhir.url });
  const reads = new FhirReads(asker, { pageSize: 1000, parallel: 1, patientsPerSearch: 50 });
  const counts = async (): Promise<number[]> => {
    const all: number[] = [];
    for (const type of TYPES) all.push(await reads.count(type, {}));
    return all;
  };
  const isHeld = (found: readonly number[]): boolean =>
    TYPES.every((type, index) => found[index] === (wanted[type] ?? 0));
  const before = await counts();
  if (before.every((count) => count === 0)) {
    await loadFhir(fhir.url, files, log);
    await fhir.settle();
  } else if (!isHeld(before)) {
    throw new Error("The FHIR server holds something else than this population; give an empty one.");
  }
  const after = await counts();
  asker.close();
  if (!isHeld(after)) throw new Error(`The FHIR server does not hold what it was sent: ${after.join(", ")}.`);
}

/** Fills a FHIR server with a population and a lake from that server. */
export async function prepare(
  plan: Plan,
  { scratch, log }: BenchContext,
): Promise<{ readonly setting: Setting; readonly fhir: FhirUnderTest }> {
  const home = plan.keep ?? scratch;
  const { files, counts } = await storedPopulation(plan, home, TYPES);
  const startFhir = (): Promise<FhirUnderTest> =>
    plan.fhir !== undefined
      ? Promise.resolve(runningServer(plan.fhir))
      : plan.quick
        ? startTestServer()
        : startHapi(path.join(home, "hapi"), { exports: false });
  const isHapi = plan.fhir === undefined && !plan.quick;
  const fhir = await (isHapi ? startHapi(path.join(home, "hapi"), { exports: true }) : startFhir());
  try {
    await fill(fhir, files, counts, log);
    const lake = path.join(home, "lake");
    rmSync(lake, { recursive: true, force: true });
    const before = cpuOf(fhir.pids);
    const ingest = await runSide("source-run", [lake, fhir.url, "bulk", ...TYPES]);
    const after = cpuOf(fhir.pids);
    const resources = TYPES.reduce((sum, type) => sum + (counts[type] ?? 0), 0);
    if (ingest.facts["resources"] !== resources)
      throw new Error(`The lake holds ${String(ingest.facts["resources"])} resources, not ${resources}.`);
    log(`${resources} resources from the FHIR server into the lake in ${ingest.wall.toFixed(1)} s`);
    return {
      fhir,
      setting: {
        lake,
        resources,
        startFhir,
        ingest,
        exportCpu: before === undefined || after === undefined ? undefined : after - before,
        lakeBytes: folderBytes(lake),
        fhirBytes: await fhir.storageBytes(),
      },
    };
  } catch (error) {
    await fhir.stop();
    throw error;
  }
}
