import { compactInTurn } from "../../compact-in-turn.js";
import type { Command } from "../command.js";
import { EXIT } from "../exit-code.js";
import { withLake } from "../open-lake.js";

/** A serving process may be compacting just now. */
const WAIT_MS = 10 * 60_000;

/** `fhir-lake compact` */
export const compactCommand: Command = {
  name: ["compact"],
  summary: "Merge delta files, by policy or completely",
  usage: "[--full]",
  help: ["--full  rewrite every table and view into its base, not only what the policy finds worthwhile"],
  options: { full: { type: "boolean" } },
  positionals: [0, 0],
  run: (invocation) =>
    withLake(
      invocation,
      async (lake) => {
        const { output, values } = invocation;
        const made = await compactInTurn(lake, {
          full: values["full"] === true,
          waitMs: WAIT_MS,
          onProgress: (what) => output.note(`compacting ${what}`),
        });
        const ids = (made ?? []).map((snapshot) => snapshot.id);
        output.document({ snapshots: ids });
        output.line(ids.length === 0 ? "Nothing to compact." : `Made snapshots ${ids.join(", ")}.`);
        return EXIT.ok;
      },
      { mustExist: true },
    ),
};
