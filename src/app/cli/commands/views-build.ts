import { buildViews } from "#batch";
import { didYouMean, LakeError } from "#kernel";
import type { Command } from "../command.js";
import { EXIT } from "../exit-code.js";
import { withLake } from "../open-lake.js";
import { wantedViews } from "../views-option.js";
import { failedViews } from "./ingest-ndjson.js";

/** `fhir-lake views build` */
export const viewsBuildCommand: Command = {
  name: ["views", "build"],
  summary: "Materialize views that are missing or whose definition changed",
  usage: "[<view>…] [--views DIR]…",
  help: [
    "<view>…      build these from scratch even when nothing changed",
    "--views DIR  a folder of further ViewDefinitions",
  ],
  options: { views: { type: "string", multiple: true } },
  positionals: [0, 1000],
  run: (invocation) =>
    withLake(
      invocation,
      async (lake) => {
        const { output, positionals, values } = invocation;
        const views = await wantedViews(values, lake.definitions);
        const head = await lake.head();
        const known = [...new Set([...views.keys(), ...Object.keys(head.views)])];
        for (const name of positionals) {
          if (!known.includes(name)) {
            throw new LakeError(
              "not-found",
              "views/unknown",
              `There is no view '${name}'.${didYouMean(name, known)}`,
            );
          }
        }
        const progress = output.progress("build views");
        const snapshot = await buildViews(lake, {
          views,
          force: new Set(positionals),
          onProgress: (view, done, total) => progress.update(done, total, view),
        });
        progress.stop();
        const built = snapshot?.operation.kind === "build-views" ? snapshot.operation.views : [];
        output.document({ snapshot: snapshot?.id ?? null, built });
        output.line(
          snapshot === undefined
            ? "All views are up to date."
            : `Built ${built.join(", ")} in snapshot ${snapshot.id}.`,
        );
        const failed = failedViews(snapshot).filter(([name]) => built.includes(name));
        for (const [name, failure] of failed) output.note(`warning: view ${name} failed: ${failure}`);
        return failed.length === 0 ? EXIT.ok : EXIT.incomplete;
      },
      { mustExist: true },
    ),
};
