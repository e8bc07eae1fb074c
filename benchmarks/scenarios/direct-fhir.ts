import { isLakeError } from "#kernel";
import { compareAnswers, isSame } from "../../src/app/bench/answer.js";
import { type Asked, ask, type Sides } from "../../src/app/bench/ask.js";
import { Asker } from "../../src/app/bench/asker.js";
import { FhirReads, type Learnt, nothingLearnt } from "../../src/app/bench/fhir-reads.js";
import { findScope } from "../../src/app/bench/find-scope.js";
import { LakeReads } from "../../src/app/bench/lake-reads.js";
import type { Scope } from "../../src/app/bench/question.js";
import { questions } from "../../src/app/bench/questions/index.js";
import { costFigures } from "../direct/cost-figures.js";
import { type FhirUnderTest, LARGEST_PAGE } from "../direct/fhir-under-test.js";
import { lagFigures } from "../direct/lag.js";
import {
  type Asking,
  coldFigures,
  type QuestionCosts,
  warmFigures,
  warmUp,
} from "../direct/measure-questions.js";
import { type ServedLake, serveLake } from "../direct/served-lake.js";
import { memoryOf } from "../direct/server-cpu.js";
import { PATIENTS, type Plan, planOf, prepare, type Setting } from "../direct/setting.js";
import type { BenchContext, Figure, Outcome, Scenario } from "../scenario.js";

/** Two whole years before the end of the population's records. */
const WINDOW = { from: "2023-01-01", to: "2024-12-31" } as const;
const CONNECTIONS = 256;
const PARALLEL = 4;
/** HAPI is fastest where a search finds about a page: tried with 2 to 100 patients of either population. */
const PATIENTS_PER_SEARCH = { dense: 10, thin: 50 } as const;
const DENSE = 0.5;
const PATIENTS_PER_READ = 200;
/** HAPI answers a search that it has answered within the last minute from its store, unless told not to. */
const FRESH = { "Cache-Control": "no-cache" } as const;

interface Opened {
  readonly sides: Sides;
  readonly stored: Sides;
  readonly scope: Scope;
  close(): void;
}

/** What askers of a run share: what they found out about the FHIR server, and the cohorts that the lake stores by now. */
interface Shared {
  readonly learnt: Learnt;
  readonly cohorts: Set<string>;
}

async function openSides(
  fhir: FhirUnderTest,
  lake: ServedLake,
  { density }: Plan,
  { learnt, cohorts }: Shared,
): Promise<Opened> {
  const fhirAsker = new Asker({ name: "FHIR server", base: fhir.url, connections: CONNECTIONS });
  const lakeAsker = new Asker({ name: "lake", base: lake.url, connections: CONNECTIONS });
  const { source, scope } = await findScope(lakeAsker, undefined, WINDOW);
  const fhirOptions = {
    pageSize: LARGEST_PAGE,
    parallel: PARALLEL,
    patientsPerSearch: density < DENSE ? PATIENTS_PER_SEARCH.thin : PATIENTS_PER_SEARCH.dense,
  };
  // Searches that are stored are paged by their links, and few long ones cost less than many short ones.
  const storedOptions = { ...fhirOptions, byOffset: false, patientsPerSearch: PATIENTS_PER_SEARCH.thin };
  const lakeOptions = {
    source,
    parallel: PARALLEL,
    patientsPerRead: PATIENTS_PER_READ,
    mayStoreCohorts: true,
  };
  const lakeReads = new LakeReads(lakeAsker, lakeOptions, cohorts);
  return {
    sides: { fhir: new FhirReads(fhirAsker.fork(FRESH), fhirOptions, learnt), lake: lakeReads },
    stored: { fhir: new FhirReads(fhirAsker, storedOptions, learnt), lake: lakeReads },
    scope,
    close: () => {
      fhirAsker.close();
      lakeAsker.close();
    },
  };
}

/** The answers of the lake, and of how many questions the FHIR server has one. */
async function answersOf(asking: Asking): Promise<{ readonly lake: Asked[]; readonly byFhir: number }> {
  const lake: Asked[] = [];
  let byFhir = 0;
  for (const question of questions) {
    lake.push(await ask("lake", question, { ...asking, turn: 0 }));
    try {
      await ask("fhir", question, { ...asking, turn: 0 });
      byFhir++;
    } catch (error) {
      if (!isLakeError(error, "bench/unreachable")) throw error;
    }
  }
  return { lake, byFhir };
}

/** Ends the FHIR server; who still answers? An answer of the lake counts when it is the one of before. */
async function downFigures(asking: Asking, fhir: FhirUnderTest): Promise<Figure[]> {
  const before = await answersOf(asking);
  await fhir.stop();
  const after = await answersOf(asking);
  const kept = after.lake.filter(({ rows }, index) => isSame(compareAnswers(before.lake[index]!.rows, rows)));
  return [
    {
      name: "FHIR server down: questions answered, FHIR",
      value: after.byFhir,
      unit: `of ${questions.length}`,
    },
    {
      name: "FHIR server down: questions answered, lake",
      value: kept.length,
      unit: `of ${questions.length}`,
    },
  ];
}

/** Asks the FHIR server each question, so that no ask that counts pays for finding out which ways it takes. Says where it was not the first. */
async function learn(setting: Setting, fhir: FhirUnderTest, plan: Plan, shared: Shared): Promise<string[]> {
  const lake = await serveLake(setting.lake);
  const opened = await openSides(fhir, lake, plan, shared);
  try {
    for (const question of questions) await ask("fhir", question, { ...opened, turn: 0 });
  } finally {
    opened.close();
    await lake.stop();
  }
  const notes = [...shared.learnt.ways]
    .filter(([, way]) => way > 0)
    .map(
      ([question, way]) =>
        `${question}: the FHIR server does not take the first way; it is asked by way ${way + 1}.`,
    );
  if (await shared.learnt.offset)
    notes.push(
      "The FHIR server is asked for pages by _offset, each a search of its own sorted by _pid, several at once.",
    );
  return notes;
}

/** Starts both servers anew and asks each question once. */
async function cold(setting: Setting, plan: Plan, context: BenchContext, shared: Shared): Promise<Figure[]> {
  const fhir = await setting.startFhir();
  const lake = await serveLake(setting.lake);
  const opened = await openSides(fhir, lake, plan, shared);
  try {
    const asking = { ...opened, plan, log: context.log, pids: { fhir: [], lake: [] } };
    const figures: Figure[] = [];
    for (const question of questions) figures.push(...(await coldFigures(question, asking)));
    return figures;
  } finally {
    opened.close();
    await lake.stop();
    await fhir.stop();
  }
}

/** Warm servers: every question, the lag, and the end of the FHIR server. */
async function warm(
  { setting, fhir, lake, plan }: { setting: Setting; fhir: FhirUnderTest; lake: ServedLake; plan: Plan },
  { log }: BenchContext,
  shared: Shared,
): Promise<Outcome> {
  const opened = await openSides(fhir, lake, plan, shared);
  const asking: Asking = { ...opened, plan, log, pids: { fhir: fhir.pids, lake: lake.pids } };
  const figures: Figure[] = [];
  const notes: string[] = [];
  const costs: QuestionCosts[] = [];
  try {
    await warmUp(questions, asking);
    for (const question of questions) {
      const measured = await warmFigures(question, asking);
      figures.push(...measured.figures);
      notes.push(...measured.notes);
      costs.push(measured.costs);
    }
    figures.push(
      { name: "memory of the FHIR server", value: memoryOf(fhir.pids) / 1e6, unit: "MB" },
      { name: "memory of the serving lake", value: memoryOf(lake.pids) / 1e6, unit: "MB" },
    );
    const paid = costFigures(setting, costs);
    if (plan.fhir === undefined) {
      figures.push(
        ...(await lagFigures(setting, fhir.url, lake.url, plan.quick)),
        ...(await downFigures(asking, fhir)),
      );
    } else
      notes.push("Lag and a server that is down were not measured: the server belongs to somebody else.");
    return { figures: [...figures, ...paid.figures], notes: [...notes, ...paid.notes] };
  } finally {
    opened.close();
  }
}

/** The same questions asked of a FHIR server and of the lake that was filled from it. */
export const directFhirScenario: Scenario = {
  name: "direct-fhir",
  about:
    "eight questions asked of a FHIR server (HAPI on PostgreSQL) and of the lake over HTTP, answers equal",
  options: ["fhir", "patients", "density", "since", "seconds", "keep"],
  variant: ({ patients = String(PATIENTS), density, since, fhir }) => {
    if (Number(patients) !== PATIENTS) return `${patients}-patients`;
    return density === undefined && since === undefined && fhir === undefined ? undefined : "other";
  },
  run: async (context) => {
    const plan = planOf(context);
    const { setting, fhir: first } = await prepare(plan, context);
    const shared: Shared = { learnt: nothingLearnt(), cohorts: new Set() };
    let fhir = first;
    // A server that forgets when it ends, or is not ours, is not started anew: its first asks are cold enough for a smoke run.
    const isKept = !plan.quick && plan.fhir === undefined;
    const figures: Figure[] = [];
    const notes = await learn(setting, first, plan, shared);
    await first.settle();
    if (isKept) {
      await first.stop();
      figures.push(...(await cold(setting, plan, context, shared)));
      fhir = await setting.startFhir();
    }
    const lake = await serveLake(setting.lake);
    try {
      const outcome = await warm({ setting, fhir, lake, plan }, context, shared);
      return {
        figures: [...figures, ...outcome.figures],
        versions: { ...fhir.versions, patients: String(plan.patients), density: String(plan.density) },
        notes: [...notes, ...(outcome.notes ?? [])],
      };
    } finally {
      await lake.stop();
      await fhir.stop();
    }
  },
};
