import { compact } from "#lake";
import type { Command } from "../command.js";
import { EXIT } from "../exit-code.js";
import { withLake } from "../open-lake.js";

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
        const made = await compact(lake, {
          full: values["full"] === true,
          onProgress: (what) => output.note(`compacting ${what}`),
        });
        output.document({ snapshots: made.map((s) => s.id) });
        output.line(
          made.length === 0 ? "Nothing to compact." : `Made snapshots ${made.map((s) => s.id).join(", ")}.`,
        );
        return EXIT.ok;
      },
      { mustExist: true },
    ),
};
