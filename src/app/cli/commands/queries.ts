import { didYouMean, LakeError } from "#kernel";
import { type SavedQuery, savedParameters } from "#query";
import type { Command, Invocation } from "../command.js";
import { EXIT } from "../exit-code.js";
import { withLake } from "../open-lake.js";
import { listOption } from "../option-value.js";
import { problemsOf, savedQueries } from "../queries-option.js";
import { printAnswer, STATE_HELP, STATE_OPTIONS } from "../query-answer.js";

const FOLDER_OPTIONS = { queries: { type: "string", multiple: true } } as const;
const FOLDER_HELP = ["--queries DIR    a folder of saved queries, beside the shipped ones; may be repeated"];

function signature({ parameters }: SavedQuery): string {
  return parameters
    .map(
      ({ name, type, list, default: value }) =>
        `${name} ${type}${list ? "[]" : ""}${value === undefined ? "" : ` = ${value ?? "null"}`}`,
    )
    .join(", ");
}

/** `fhir-lake queries list` */
const list: Command = {
  name: ["queries", "list"],
  summary: "List the saved queries",
  usage: "[--queries DIR]…",
  help: FOLDER_HELP,
  options: FOLDER_OPTIONS,
  positionals: [0, 0],
  run: async (invocation) => {
    const queries = [...(await savedQueries(invocation)).values()];
    invocation.output.document(queries.map(({ name, title, parameters }) => ({ name, title, parameters })));
    invocation.output.table(
      ["query", "parameters", "answers"],
      queries.map((query) => [query.name, signature(query), query.title]),
    );
    return EXIT.ok;
  },
};

/** `fhir-lake queries check` */
const check: Command = {
  name: ["queries", "check"],
  summary: "Have the engine check the saved queries against the lake's views",
  usage: "[--queries DIR]…",
  help: FOLDER_HELP,
  options: FOLDER_OPTIONS,
  positionals: [0, 0],
  run: (invocation) =>
    withLake(
      invocation,
      async (lake) => {
        const queries = await savedQueries(invocation);
        const problems = await problemsOf(invocation, lake, queries.values());
        invocation.output.document(
          problems.map(({ query, error: { code, message } }) => ({ query, code, message })),
        );
        for (const { query, error } of problems) invocation.output.line(`${query}: ${error.message}`);
        invocation.output.line(`${queries.size} checked, ${problems.length} with problems`);
        return problems.length === 0 ? EXIT.ok : EXIT.invalidInput;
      },
      { mustExist: true },
    ),
};

/** Values by name from `--param name=value`. */
function givenParameters({ values }: Invocation): Record<string, string> {
  return Object.fromEntries(
    listOption(values, "param").map((text) => {
      const [, name, value] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
      if (name === undefined || value === undefined) {
        throw new LakeError("invalid-input", "cli/bad-option", "--param is name=value.");
      }
      return [name, value];
    }),
  );
}

/** `fhir-lake queries run` */
const run: Command = {
  name: ["queries", "run"],
  summary: "Run a saved query",
  usage: "<name> [--param name=value]… [--snapshot N] [--consistency merged|batch] [--json]",
  help: ["--param N=VALUE  a value of a parameter; lists are a,b,c", ...STATE_HELP, ...FOLDER_HELP],
  options: { param: { type: "string", multiple: true }, ...STATE_OPTIONS, ...FOLDER_OPTIONS },
  positionals: [1, 1],
  run: (invocation) =>
    withLake(
      invocation,
      async (lake) => {
        const queries = await savedQueries(invocation);
        const name = invocation.positionals[0]!;
        const saved = queries.get(name);
        if (saved === undefined) {
          const hint = didYouMean(name, queries.keys());
          throw new LakeError("not-found", "cli/no-such-query", `There is no saved query '${name}'.${hint}`);
        }
        const parameters = savedParameters(saved, givenParameters(invocation));
        await printAnswer(invocation, lake, { sql: saved.sql, parameters });
        return EXIT.ok;
      },
      { mustExist: true },
    ),
};

/** The commands of saved queries. */
export const queriesCommands: readonly Command[] = [list, check, run];
