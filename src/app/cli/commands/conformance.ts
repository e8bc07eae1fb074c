import { stat, writeFile } from "node:fs/promises";
import { conformanceReport, runConformance } from "#compiler";
import { Database } from "#duckdb";
import { LakeError } from "#kernel";
import { viewRunner } from "#query";
import type { Command } from "../command.js";
import { EXIT } from "../exit-code.js";
import { textOption } from "../option-value.js";

/** `fhir-lake conformance` */
export const conformanceCommand: Command = {
  name: ["conformance"],
  summary: "Run official SQL-on-FHIR test files",
  usage: "<dir>… [--report out.json]",
  help: [
    "<dir>…          folders of test files; a later folder's file takes the place of its namesake",
    "--report FILE   write the official report format",
  ],
  options: { report: { type: "string" } },
  positionals: [1, 100],
  run: async ({ positionals, values, output }) => {
    for (const dir of positionals) {
      const info = await stat(dir).catch(() => undefined);
      if (info?.isDirectory() !== true) {
        throw new LakeError("not-found", "cli/no-such-folder", `'${dir}' is not a folder of test files.`);
      }
    }
    const database = await Database.open();
    try {
      const summary = await runConformance({
        dirs: positionals,
        runView: viewRunner(database),
        onResult: ({ file, title, passed, error }) => {
          if (!passed) output.line(`FAILED ${file}: ${title}: ${error ?? ""}`);
        },
      });
      const report = textOption(values, "report");
      if (report !== undefined)
        await writeFile(report, `${JSON.stringify(conformanceReport(summary), null, 2)}\n`);
      output.document(summary);
      output.line(`${summary.passed} passed, ${summary.failed} failed`);
      return summary.failed === 0 && summary.passed > 0 ? EXIT.ok : EXIT.incomplete;
    } finally {
      database.close();
    }
  },
};
