import { pipeline } from "node:stream/promises";
import { LakeError, systemClock } from "#kernel";
import type { Lake } from "#lake";
import { CohortService, CohortStore, lakeCatalog, lakeVersions, ReleaseGuard } from "#query";
import { readCohortFile } from "../cohort-file.js";
import type { Command, Invocation } from "../command.js";
import { EXIT } from "../exit-code.js";
import { withLake } from "../open-lake.js";
import { parseCount, textOption } from "../option-value.js";

/** Runs `work` on the cohorts of the lake. Who can read the lake's files sees all counts, so nothing is suppressed here. */
function withCohorts(
  invocation: Invocation,
  work: (cohorts: CohortService, lake: Lake) => Promise<void>,
): Promise<number> {
  return withLake(
    invocation,
    async (lake) => {
      const cohorts = new CohortService({
        catalog: lakeCatalog(lake),
        database: lake.database,
        temporaryFolder: await lake.store.stagingDirectory(`cohort-${process.pid}`),
        store: new CohortStore(lake.store, systemClock),
        smallCell: 0,
        guard: new ReleaseGuard(),
        versions: lakeVersions(lake),
      });
      await work(cohorts, lake);
      return EXIT.ok;
    },
    { mustExist: true },
  );
}

const STATE_OPTIONS = { snapshot: { type: "string" }, version: { type: "string" } } as const;
const STATE_HELP = [
  "--snapshot N  as of that snapshot (default: the newest)",
  "--version V   that version of the definition (default: the newest)",
];

function count({ values }: Invocation, name: string): number | undefined {
  const text = textOption(values, name);
  return text === undefined ? undefined : parseCount(text, name, 1);
}

function open(invocation: Invocation, cohorts: CohortService): ReturnType<CohortService["open"]> {
  const snapshot = count(invocation, "snapshot");
  const state = snapshot === undefined ? {} : { snapshot };
  return cohorts.open(invocation.positionals[0]!, count(invocation, "version"), state);
}

/** `fhir-lake cohort list` */
const list: Command = {
  name: ["cohort", "list"],
  summary: "List the stored cohorts",
  usage: "",
  options: {},
  positionals: [0, 0],
  run: (invocation) =>
    withCohorts(invocation, async (cohorts) => {
      const { output } = invocation;
      const all = await cohorts.store.list();
      output.document(all);
      const title = (definition: unknown): string => (definition as { readonly title: string }).title;
      output.table(
        ["id", "version", "created at", "title"],
        all.map((one) => [one.id, one.version, one.createdAt, title(one.definition)]),
      );
    }),
};

/** `fhir-lake cohort check` */
const check: Command = {
  name: ["cohort", "check"],
  summary: "Check a cohort's definition and say it in English",
  usage: "<file.json>",
  options: {},
  positionals: [1, 1],
  run: (invocation) =>
    withCohorts(invocation, async (cohorts) => {
      const { english } = await cohorts.check(await readCohortFile(invocation.positionals[0]!));
      invocation.output.document({ valid: true, english });
      invocation.output.line(english);
    }),
};

/** `fhir-lake cohort put` */
const put: Command = {
  name: ["cohort", "put"],
  summary: "Store a cohort's definition as its next version",
  usage: "<id> <file.json>",
  options: {},
  positionals: [2, 2],
  run: (invocation) =>
    withCohorts(invocation, async (cohorts) => {
      const [id, file] = invocation.positionals;
      const stored = await cohorts.put(id!, await readCohortFile(file!));
      invocation.output.document(stored);
      invocation.output.line(
        `${cohorts.describe(stored)}\n\nStored as ${stored.id}, version ${stored.version}.`,
      );
    }),
};

/** `fhir-lake cohort show` */
const show: Command = {
  name: ["cohort", "show"],
  summary: "Show a stored cohort in English; its definition with --json",
  usage: "<id> [--version V]",
  options: { version: { type: "string" } },
  positionals: [1, 1],
  run: (invocation) =>
    withCohorts(invocation, async (cohorts) => {
      const stored = await cohorts.store.get(invocation.positionals[0]!, count(invocation, "version"));
      invocation.output.document(stored);
      invocation.output.line(cohorts.describe(stored));
    }),
};

/** `fhir-lake cohort attrition` */
const attrition: Command = {
  name: ["cohort", "attrition"],
  summary: "Count a cohort, and what each rule takes away",
  usage: "<id> [--order 1,0] [--snapshot N] [--version V]",
  help: ["--order 1,0   the rules in that order, by number", ...STATE_HELP],
  options: { order: { type: "string" }, ...STATE_OPTIONS },
  positionals: [1, 1],
  run: (invocation) =>
    withCohorts(invocation, async (cohorts) => {
      const { output, values } = invocation;
      const order = textOption(values, "order")
        ?.split(",")
        .map((text) => parseCount(text.trim(), "order", 0));
      const read = await open(invocation, cohorts);
      try {
        const steps = await read.attrition(order);
        const { count: members, quality } = await read.count();
        output.document({ snapshot: read.snapshot.id, count: members, steps, quality });
        output.table(
          ["rule", "persons", "removed", ""],
          steps.map((step) => [
            step.rule === undefined ? "" : String(step.rule),
            step.remaining!,
            step.removed!,
            step.name,
          ]),
        );
        for (const { path, unconvertible, undated, withoutPatient } of quality) {
          const lost = unconvertible
            .map(({ unit, records }) => `${records} in ${unit ?? "no unit"}`)
            .join(", ");
          if (lost !== "") output.note(`${path}: values that could not be converted: ${lost}`);
          if (undated > 0) output.note(`${path}: ${undated} records without a date`);
          if (withoutPatient > 0)
            output.note(`${path}: ${withoutPatient} records whose patient is not in the lake`);
        }
      } finally {
        read.release();
      }
    }),
};

/** `fhir-lake cohort members` */
const members: Command = {
  name: ["cohort", "members"],
  summary: "Write the members of a cohort as CSV, or JSON with --json",
  usage: "<id> [--snapshot N] [--version V]",
  help: STATE_HELP,
  options: STATE_OPTIONS,
  positionals: [1, 1],
  run: (invocation) =>
    withCohorts(invocation, async (cohorts) => {
      const { output } = invocation;
      const read = await open(invocation, cohorts);
      try {
        const { body } = await (await read.members()).encode(output.json ? "json" : "csv");
        await pipeline(body, output.results, { end: false });
      } finally {
        read.release();
      }
    }),
};

/** `fhir-lake cohort diff` */
const diff: Command = {
  name: ["cohort", "diff"],
  summary: "Say who entered and left a cohort between two snapshots, and why",
  usage: "<id> --from N [--to N] [--limit 100]",
  options: {
    from: { type: "string" },
    to: { type: "string" },
    limit: { type: "string" },
    version: { type: "string" },
  },
  positionals: [1, 1],
  run: (invocation) =>
    withCohorts(invocation, async (cohorts, lake) => {
      const { output, positionals } = invocation;
      const from = count(invocation, "from");
      if (from === undefined) {
        throw new LakeError("invalid-input", "cli/missing-option", "Say with --from since which snapshot.");
      }
      const to = count(invocation, "to") ?? (await lake.head()).id;
      const limit = count(invocation, "limit") ?? 100;
      const { cohort: _, ...found } = await cohorts.diff(
        positionals[0]!,
        count(invocation, "version"),
        { from, to },
        limit,
      );
      output.document(found);
      const shown = (what: string, changes: typeof found.entered): (string | number)[][] =>
        changes.flatMap(({ person, causes }) =>
          causes.map((cause) => [
            what,
            person,
            cause.criterion,
            cause.resource,
            cause.from?.version ?? "",
            cause.to?.version ?? "",
          ]),
        );
      output.table(
        ["", "person", "rule", "resource", "version then", "version now"],
        [...shown("entered", found.entered), ...shown("left", found.left)],
      );
      output.note(
        `${found.enteredCount} entered and ${found.leftCount} left between snapshots ${from} and ${to}${found.truncated ? "; not all are listed (--limit)" : ""}`,
      );
    }),
};

/** The commands of cohorts. */
export const cohortCommands: readonly Command[] = [list, check, put, show, attrition, members, diff];
