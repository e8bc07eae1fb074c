import { compareAnswers, isSame } from "../../src/app/bench/answer.js";
import { type Asked, ask, type Sides } from "../../src/app/bench/ask.js";
import type { Question, Scope } from "../../src/app/bench/question.js";
import { median, ratios, repeated } from "../measure.js";
import type { Figure } from "../scenario.js";
import { askFor } from "./clients.js";
import { cpuOf } from "./server-cpu.js";
import type { Plan } from "./setting.js";

const LEAST_TURNS = 6;
const MOST_TURNS = 60;

/** The processes of both servers. */
export type Pids = Readonly<Record<keyof Sides, readonly number[]>>;

/** What is asked of whom. */
export interface Asking {
  readonly sides: Sides;
  /** The same FHIR server, allowed to answer from its store of earlier searches. */
  readonly stored: Sides;
  readonly scope: Scope;
  readonly pids: Pids;
  readonly plan: Plan;
  readonly log: (text: string) => void;
}

/** What one question cost both sides, for what follows from it. */
export interface QuestionCosts {
  readonly question: string;
  /** Medians with one client, seconds. */
  readonly wall: Readonly<Record<keyof Sides, number>>;
  /** Processor time of the server per ask, seconds; undefined for servers elsewhere. */
  readonly cpu: Readonly<Record<keyof Sides, number | undefined>>;
}

const NAMES = { fhir: "FHIR", lake: "lake" } as const;
const SIDES = ["fhir", "lake"] as const;

/** A figure of one question and one side, or of both. */
export function placed(question: Question, side: string, what: string, figure: Figure): Figure {
  return {
    ...figure,
    name: `${question.name}: ${what}, ${side}`,
    at: { subject: question.name, side, what },
  };
}

function single(value: number, unit: string): Figure {
  return { name: "", value, unit };
}

/** Fails unless both sides gave the same rows. */
export function assertSame(question: Question, fhir: Asked, lake: Asked): void {
  const difference = compareAnswers(fhir.rows, lake.rows);
  if (!isSame(difference)) throw new Error(`${question.name}: other answers: ${JSON.stringify(difference)}`);
}

/** First asks of servers that have just been started: one of each side, answers equal. */
export async function coldFigures(question: Question, asking: Asking): Promise<Figure[]> {
  const fhir = await ask("fhir", question, { ...asking, turn: 0 });
  const lake = await ask("lake", question, { ...asking, turn: 0 });
  assertSame(question, fhir, lake);
  return [
    placed(question, "FHIR", "cold", single(fhir.seconds * 1000, "ms")),
    placed(question, "lake", "cold", single(lake.seconds * 1000, "ms")),
  ];
}

interface Turns {
  readonly asked: Record<keyof Sides, Asked[]>;
  readonly cpu: Record<keyof Sides, number | undefined>;
}

/** Both sides in turn, warm, with one client; answers of every turn equal. */
async function takeTurns(question: Question, asking: Asking): Promise<Turns> {
  const asked = { fhir: [] as Asked[], lake: [] as Asked[] };
  const cpu: Record<keyof Sides, number> = { fhir: 0, lake: 0 };
  const started = performance.now();
  const isOver = (turns: number): boolean => {
    if (asking.plan.quick) return turns >= 1;
    const seconds = (performance.now() - started) / 1000;
    return turns >= MOST_TURNS || (turns >= LEAST_TURNS && seconds > asking.plan.seconds * 3);
  };
  for (let turn = 0; !isOver(turn); turn++) {
    for (const side of turn % 2 === 0 ? SIDES : [...SIDES].reverse()) {
      const before = cpuOf(asking.pids[side]) ?? Number.NaN;
      asked[side].push(await ask(side, question, { ...asking, turn }));
      cpu[side] += (cpuOf(asking.pids[side]) ?? Number.NaN) - before;
    }
    assertSame(question, asked.fhir.at(-1)!, asked.lake.at(-1)!);
  }
  const perAsk = (side: keyof Sides): number | undefined =>
    Number.isNaN(cpu[side]) ? undefined : cpu[side] / asked[side].length;
  return { asked, cpu: { fhir: perAsk("fhir"), lake: perAsk("lake") } };
}

function oneClient(question: Question, { asked, cpu }: Turns): Figure[] {
  const of = (side: keyof Sides, what: "seconds" | "requests" | "bytes"): number[] =>
    asked[side].map((one) => one[what]);
  const figures = [
    placed(
      question,
      "FHIR / lake",
      "wall",
      repeated("", "x", ratios(of("fhir", "seconds"), of("lake", "seconds"))),
    ),
    placed(question, "both", "rows", single(median(asked.lake.map(({ rows }) => rows.length)), "rows")),
  ];
  for (const side of SIDES) {
    const name = NAMES[side];
    const ms = of(side, "seconds").map((seconds) => seconds * 1000);
    figures.push(
      placed(question, name, "wall", repeated("", "ms", ms)),
      placed(question, name, "requests", single(median(of(side, "requests")), "")),
      placed(question, name, "bytes", single(median(of(side, "bytes")), "bytes")),
    );
    const seconds = cpu[side];
    if (seconds !== undefined)
      figures.push(placed(question, name, "server CPU", single(seconds * 1000, "ms")));
  }
  return figures;
}

/** How the FHIR server does when it may answer from the searches that it has stored: the median of a few asks of the same. */
async function storedSearches(question: Question, asking: Asking): Promise<Figure> {
  const asks: number[] = [];
  for (let turn = 0; turn < (asking.plan.quick ? 1 : LEAST_TURNS); turn++) {
    const { seconds } = await ask("fhir", question, { ...asking, sides: asking.stored, turn: 0 });
    if (turn > 0 || asking.plan.quick) asks.push(seconds * 1000);
  }
  return placed(question, "FHIR, stored searches", "wall", repeated("", "ms", asks));
}

/** Many clients at once; left out where a round of them would take longer than ten times the measurement. */
async function manyClients(
  question: Question,
  asking: Asking,
  wall: Readonly<Record<keyof Sides, number>>,
): Promise<{ readonly figures: Figure[]; readonly notes: string[] }> {
  const figures: Figure[] = [];
  const notes: string[] = [];
  for (const clients of asking.plan.clients) {
    for (const side of SIDES) {
      const round = wall[side] * clients;
      if (round > asking.plan.seconds * 10) {
        notes.push(
          `${question.name}, ${clients} client${clients === 1 ? "" : "s"}, ${NAMES[side]}: not measured, one round would take about ${Math.round(round)} s.`,
        );
        continue;
      }
      const times = await askFor(clients, asking.plan.seconds, (turn) =>
        ask(side, question, { ...asking, turn }),
      );
      const what = `at ${clients} client${clients === 1 ? "" : "s"}`;
      figures.push(
        placed(question, NAMES[side], `p50 ${what}`, single(times.p50 * 1000, "ms")),
        placed(question, NAMES[side], `p99 ${what}`, single(times.p99 * 1000, "ms")),
        placed(question, NAMES[side], `asks a second ${what}`, single(times.perSecond, "/s")),
        placed(question, NAMES[side], `asks ${what}`, single(times.asks, "")),
      );
    }
  }
  return { figures, notes };
}

/** Asks both sides every question for a while: what runs often is compiled on both sides before any of it is measured. */
export async function warmUp(questions: readonly Question[], asking: Asking): Promise<void> {
  const seconds = asking.plan.quick ? 0 : asking.plan.seconds;
  for (const question of questions)
    for (const side of SIDES) await askFor(1, seconds, (turn) => ask(side, question, { ...asking, turn }));
}

/** One question, warm: one client in turns, the FHIR server's own store of searches, then many clients. */
export async function warmFigures(
  question: Question,
  asking: Asking,
): Promise<{ readonly figures: Figure[]; readonly notes: string[]; readonly costs: QuestionCosts }> {
  // What other questions put out of the caches comes back.
  for (let turn = 0; turn < (asking.plan.quick ? 1 : 3); turn++)
    for (const side of SIDES) await ask(side, question, { ...asking, turn });
  const turns = await takeTurns(question, asking);
  const wall = {
    fhir: median(turns.asked.fhir.map((one) => one.seconds)),
    lake: median(turns.asked.lake.map((one) => one.seconds)),
  };
  asking.log(
    `${question.name}: equal; FHIR ${(wall.fhir * 1000).toFixed(1)} ms, lake ${(wall.lake * 1000).toFixed(1)} ms`,
  );
  const stored = await storedSearches(question, asking);
  const { figures, notes } = await manyClients(question, asking, wall);
  return {
    figures: [...oneClient(question, turns), stored, ...figures],
    notes,
    costs: { question: question.name, wall, cpu: turns.cpu },
  };
}
