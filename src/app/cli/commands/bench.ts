import { didYouMean, isLakeError, LakeError } from "#kernel";
import { isSame } from "../../bench/answer.js";
import { type Asked, type Comparison, compareSides, type Sides } from "../../bench/ask.js";
import { Asker } from "../../bench/asker.js";
import { FhirReads } from "../../bench/fhir-reads.js";
import { findScope } from "../../bench/find-scope.js";
import { LakeReads } from "../../bench/lake-reads.js";
import type { Question, Scope } from "../../bench/question.js";
import { questions } from "../../bench/questions/index.js";
import type { Command, Invocation } from "../command.js";
import { EXIT } from "../exit-code.js";
import { parseCount, parseSize, textOption } from "../option-value.js";
import { requiredOption } from "../required-option.js";

const TWO_YEARS_DAYS = 730;
const DAY_MS = 86_400_000;
const MOST_BYTES = "2GiB";
/** What ends the whole run: a bound that no later question could keep either, or a server that is to be left alone. */
const ENDS_ALL = ["bench/throttled", "bench/too-many-requests", "bench/too-many-bytes"] as const;

function token({ values, environment }: Invocation, option: string): Record<string, string> {
  const name = textOption(values, option);
  if (name === undefined) return {};
  const value = environment[name];
  if (value === undefined || value === "") {
    throw new LakeError("invalid-input", "cli/no-token", `--${option}: the variable ${name} is not set.`);
  }
  return { Authorization: `Bearer ${value}` };
}

function address(invocation: Invocation, option: "fhir" | "lake"): string {
  const text = requiredOption(invocation.values, option);
  if (/^https?:\/\/[^/]/.test(text) && URL.canParse(text)) return text;
  throw new LakeError(
    "invalid-input",
    "cli/bad-url",
    `--${option} takes the base URL of a server that runs, such as http://127.0.0.1:8080.`,
  );
}

function chosenQuestions({ values }: Invocation): readonly Question[] {
  const names = textOption(values, "questions")?.split(",");
  if (names === undefined) return questions;
  const known = questions.map((question) => question.name);
  return names.map((name) => {
    const question = questions.find((one) => one.name === name);
    if (question !== undefined) return question;
    throw new LakeError(
      "invalid-input",
      "cli/unknown-question",
      `'${name}' is no question.${didYouMean(name, known)} There are ${known.join(", ")}.`,
    );
  });
}

function numberOption({ values }: Invocation, name: string, otherwise: number, least = 1): number {
  const text = textOption(values, name);
  return text === undefined ? otherwise : parseCount(text, name, least);
}

function window({ values }: Invocation): Pick<Scope, "from" | "to"> {
  const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
  const read = (name: string, otherwise: string): string => {
    const text = textOption(values, name) ?? otherwise;
    if (/^\d{4}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(Date.parse(text))) return text;
    throw new LakeError(
      "invalid-input",
      "cli/bad-day",
      `--${name} takes a day such as 2025-01-31, not '${text}'.`,
    );
  };
  const to = read("to", day(Date.now()));
  return { to, from: read("from", day(Date.parse(to) - (TWO_YEARS_DAYS - 1) * DAY_MS)) };
}

async function openSides(invocation: Invocation): Promise<{ readonly sides: Sides; readonly scope: Scope }> {
  const parallel = numberOption(invocation, "parallel", 2);
  const mostBytes = parseSize(textOption(invocation.values, "max-bytes") ?? MOST_BYTES, "max-bytes");
  const asker = (name: string, option: "fhir" | "lake", tokenOption: string, gapMs: number): Asker =>
    new Asker({
      name,
      base: address(invocation, option),
      headers: token(invocation, tokenOption),
      connections: parallel,
      mostRequests: numberOption(invocation, "most-requests", 2000),
      mostBytes,
      gapMs,
    });
  const gapMs = 1000 / numberOption(invocation, "per-second", 10);
  const fhirAsker = asker("FHIR server", "fhir", "fhir-token-env", gapMs);
  const lakeAsker = asker("lake", "lake", "lake-token-env", 0);
  const { source, scope } = await findScope(
    lakeAsker,
    textOption(invocation.values, "source"),
    window(invocation),
  );
  const pageSize = numberOption(invocation, "page-size", 500);
  const mayStoreCohorts = invocation.values["store-cohorts"] === true;
  return {
    scope,
    sides: {
      fhir: new FhirReads(fhirAsker, { pageSize, parallel, patientsPerSearch: 50 }),
      lake: new LakeReads(lakeAsker, { source, parallel, patientsPerRead: 100, mayStoreCohorts }),
    },
  };
}

/** What the command says of one question. */
interface Line {
  readonly question: string;
  readonly title: string;
  readonly equal: boolean | undefined;
  /** Why it could not be asked; undefined when it was. */
  readonly problem?: string;
  readonly comparison?: Comparison;
}

async function compareOne(question: Question, sides: Sides, scope: Scope, repeats: number): Promise<Line> {
  const { name, title } = question;
  try {
    const comparison = await compareSides(question, { sides, scope, repeats });
    return { question: name, title, equal: isSame(comparison.difference), comparison };
  } catch (error) {
    if (!isLakeError(error) || ENDS_ALL.some((code) => isLakeError(error, code))) throw error;
    return { question: name, title, equal: undefined, problem: error.message };
  }
}

function middle(asked: readonly Asked[], of: (one: Asked) => number): number {
  const sorted = asked.map(of).sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)]!;
}

function documentOf({ comparison, ...line }: Line): object {
  if (comparison === undefined) return line;
  const side = (asked: readonly Asked[]): object => ({
    seconds: asked.map((one) => one.seconds),
    requests: middle(asked, (one) => one.requests),
    bytes: middle(asked, (one) => one.bytes),
    waits: asked.reduce((sum, one) => sum + one.waits, 0),
  });
  return { ...line, ...comparison.difference, fhir: side(comparison.fhir), lake: side(comparison.lake) };
}

function cells({ question, equal, problem, comparison }: Line): string[] {
  if (comparison === undefined) return [question, "not asked", problem ?? "", "", "", "", "", ""];
  const { fhir, lake, difference } = comparison;
  const [a, b] = [middle(fhir, (one) => one.seconds), middle(lake, (one) => one.seconds)];
  const requests = [fhir, lake].map((side) => middle(side, (one) => one.requests)).join(" : ");
  const kilobytes = [fhir, lake]
    .map((side) => Math.ceil(middle(side, (one) => one.bytes) / 1000))
    .join(" : ");
  return [
    question,
    equal === true ? "yes" : `no (${difference.onlyFhir} only FHIR, ${difference.onlyLake} only lake)`,
    String(difference.fhirRows),
    `${(a * 1000).toFixed(1)} ms`,
    `${(b * 1000).toFixed(1)} ms`,
    `${(a / b).toPrecision(2)} x`,
    requests,
    kilobytes,
  ];
}

const HELP = [
  "--fhir URL             base URL of the FHIR server; read only",
  "--lake URL             base URL of a lake that is being served",
  "--source NAME          the lake's source that the server is, when it holds several",
  "--fhir-token-env NAME  variable with the server's bearer token; --lake-token-env NAME likewise for the lake",
  `--questions A,B        only these of ${questions.map((question) => question.name).join(", ")}`,
  "--repeats N            times that each question is asked of each side after a first one (default 3)",
  "--from D --to D        days of the window of time (default: the two years until today)",
  "--page-size N          resources wished for per page (default 500); --parallel N requests at once (default 2)",
  "--per-second N         requests of the FHIR server a second at most (default 10)",
  "--most-requests N      requests of either side altogether at most (default 2000)",
  `--max-bytes SIZE       bytes of answers, unpacked, of either side altogether at most (default ${MOST_BYTES})`,
  "--store-cohorts        let cohorts be stored in the lake for the time of the comparison, so that counts are one request",
];

/** What to know of the times of a question whose server asked for less. */
function waitsOf({ comparison }: Line): string | undefined {
  const waits = [...(comparison?.fhir ?? []), ...(comparison?.lake ?? [])].reduce(
    (sum, { waits: own }) => sum + own,
    0,
  );
  return waits === 0
    ? undefined
    : `  a server asked for less ${waits} times; the waits are part of the times (lower --per-second)`;
}

function tell(
  output: Invocation["output"],
  {
    scope,
    repeats,
    lines,
  }: { readonly scope: Scope; readonly repeats: number; readonly lines: readonly Line[] },
): void {
  output.document({ window: { from: scope.from, to: scope.to }, repeats, questions: lines.map(documentOf) });
  output.table(
    ["question", "equal", "rows", "FHIR", "lake", "FHIR / lake", "requests", "kB"],
    lines.map(cells),
  );
}

async function run(invocation: Invocation): Promise<number> {
  const { output } = invocation;
  const chosen = chosenQuestions(invocation);
  const repeats = numberOption(invocation, "repeats", 3);
  const { sides, scope } = await openSides(invocation);
  const lines: Line[] = [];
  try {
    for (const question of chosen) {
      output.note(`${question.name}: ${question.title}`);
      const line = await compareOne(question, sides, scope, repeats);
      lines.push(line);
      const waits = waitsOf(line);
      if (waits !== undefined) output.note(waits);
    }
  } finally {
    // Also of a run that ends early: what is known by then has cost the server something.
    if (lines.length > 0) tell(output, { scope, repeats, lines });
    await sides.lake.removeCohorts();
    sides.fhir.asker.close();
    sides.lake.asker.close();
  }
  return lines.every(({ equal }) => equal === true) ? EXIT.ok : EXIT.incomplete;
}

const text = { type: "string" } as const;

/** `fhir-lake bench` */
export const benchCommand: Command = {
  name: ["bench"],
  summary: "Ask a FHIR server and a served lake the same questions and compare answers and costs",
  usage: "--fhir URL --lake URL [--questions A,B] [--repeats N] [--store-cohorts]",
  help: HELP,
  options: {
    fhir: text,
    source: text,
    questions: text,
    repeats: text,
    from: text,
    to: text,
    parallel: text,
    "fhir-token-env": text,
    "lake-token-env": text,
    "page-size": text,
    "per-second": text,
    "most-requests": text,
    "max-bytes": text,
    "store-cohorts": { type: "boolean" },
  },
  positionals: [0, 0],
  run,
};
