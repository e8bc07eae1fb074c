import type { Snapshot } from "#lake";
import type { Command } from "../command.js";
import { EXIT } from "../exit-code.js";
import { withLake } from "../open-lake.js";

function describe(snapshot: Snapshot): string {
  const { operation } = snapshot;
  switch (operation.kind) {
    case "ingest": {
      const { stored, superseded, unchanged, quarantined } = operation.counts;
      return `ingest ${operation.source}: ${stored} stored, ${superseded} superseded, ${unchanged} unchanged, ${quarantined} quarantined`;
    }
    case "source-state":
      return `news about ${operation.source}`;
    case "build-views":
      return `build ${operation.views.length} views`;
    case "compact":
      return `compact ${[...operation.tables.map((t) => `resources/${t}`), ...operation.views.map((v) => `views/${v}`)].join(", ")}`;
    case "restore":
      return `restore snapshot ${operation.snapshot}`;
    case "erase":
      return `erase: ${Object.values(operation.removed).reduce((sum, n) => sum + n, 0)} versions`;
    case "allow-return":
      return `allow the return of erasure ${operation.erasure}`;
    case "adopt-journal":
      return "go on with another journal";
    case "migrate":
      return `migrate from format ${operation.from}`;
  }
}

/** `fhir-lake snapshots` */
export const snapshotsCommand: Command = {
  name: ["snapshots"],
  summary: "List the snapshots that can be read",
  usage: "",
  options: {},
  positionals: [0, 0],
  run: (invocation) =>
    withLake(
      invocation,
      async (lake) => {
        const { output } = invocation;
        const ids = await lake.history.ids();
        const snapshots = await Promise.all(ids.map((id) => lake.history.at(id)));
        const resources = (s: Snapshot): number =>
          Object.values(s.tables).reduce((sum, table) => sum + table.resourceCount, 0);
        output.document(
          snapshots.map((s) => ({
            id: s.id,
            committedAt: s.committedAt,
            operation: s.operation,
            resources: resources(s),
            views: Object.fromEntries(
              Object.entries(s.views).map(([name, v]) => [name, { state: v.state, rows: v.rowCount }]),
            ),
            tool: s.tool,
          })),
        );
        output.table(
          ["id", "committed at", "resources", "views", "made by"],
          snapshots.map((s) => [s.id, s.committedAt, resources(s), Object.keys(s.views).length, describe(s)]),
        );
        return EXIT.ok;
      },
      { mustExist: true },
    ),
};
