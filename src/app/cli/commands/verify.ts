import { verify } from "#lake";
import type { Command } from "../command.js";
import { EXIT } from "../exit-code.js";
import { withLake } from "../open-lake.js";

/** `fhir-lake verify` */
export const verifyCommand: Command = {
  name: ["verify"],
  summary: "Re-read every file of every kept snapshot and compare checksums; find orphans",
  usage: "",
  options: {},
  positionals: [0, 0],
  run: (invocation) =>
    withLake(
      invocation,
      async (lake) => {
        const { output } = invocation;
        const progress = output.progress("verify");
        const report = await verify(lake, (done, total) => progress.update(done, total));
        progress.stop();
        output.document(report);
        for (const damaged of report.damaged) {
          output.line(
            `DAMAGED ${damaged.key}: ${damaged.problem} (needed by snapshots ${damaged.snapshots.join(", ")})`,
          );
        }
        for (const name of report.brokenPins) output.line(`The pin '${name}' is on a snapshot that is gone.`);
        if (report.orphans !== undefined && report.orphans.files > 0) {
          output.line(
            `${report.orphans.files} files are needed by no snapshot (fhir-lake vacuum removes them).`,
          );
        }
        output.line(
          `${report.files} files, ${report.bytes} bytes, ${report.snapshots} snapshots checked; ${report.damaged.length} damaged`,
        );
        return report.damaged.length === 0 ? EXIT.ok : EXIT.corruptData;
      },
      { mustExist: true },
    ),
};
