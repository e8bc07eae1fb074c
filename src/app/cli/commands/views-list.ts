import type { Command } from "../command.js";
import { EXIT } from "../exit-code.js";
import { withLake } from "../open-lake.js";

/** `fhir-lake views list` */
export const viewsListCommand: Command = {
  name: ["views", "list"],
  summary: "List the lake's views with their state and size",
  usage: "",
  options: {},
  positionals: [0, 0],
  run: (invocation) =>
    withLake(
      invocation,
      async (lake) => {
        const { output } = invocation;
        const { id, views } = await lake.head();
        const rows = Object.entries(views).sort(([a], [b]) => (a < b ? -1 : 1));
        output.document({
          snapshot: id,
          views: rows.map(([name, v]) => ({
            name,
            resource: v.resource,
            state: v.state,
            rows: v.rowCount,
            columns: v.columns.map((c) => c.name),
          })),
        });
        output.table(
          ["view", "resource", "state", "rows", "columns"],
          rows.map(([name, v]) => [name, v.resource, v.state, v.rowCount, v.columns.length]),
        );
        return EXIT.ok;
      },
      { mustExist: true },
    ),
};
