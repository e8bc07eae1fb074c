import { parseExactJson } from "#kernel";
import { sqlParameters } from "#query";
import type { Command } from "../command.js";
import { EXIT } from "../exit-code.js";
import { withLake } from "../open-lake.js";
import { textOption } from "../option-value.js";
import { printAnswer, STATE_HELP, STATE_OPTIONS } from "../query-answer.js";

/** `fhir-lake query` */
export const queryCommand: Command = {
  name: ["query"],
  summary: "Run one SELECT over the views (read only)",
  usage: '"<sql>" [--params JSON] [--snapshot N] [--consistency merged|batch] [--json]',
  help: [
    `--params JSON    values of the statement's parameters: '{"since": "2026-01-01"}' for $since`,
    ...STATE_HELP,
  ],
  options: { params: { type: "string" }, ...STATE_OPTIONS },
  positionals: [1, 1],
  run: (invocation) =>
    withLake(
      invocation,
      async (lake) => {
        const given = textOption(invocation.values, "params");
        const parameters = given === undefined ? {} : sqlParameters(parseExactJson(given));
        await printAnswer(invocation, lake, { sql: invocation.positionals[0]!, parameters });
        return EXIT.ok;
      },
      { mustExist: true },
    ),
};
