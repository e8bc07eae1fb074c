import type { Database } from "#duckdb";
import type { SnapshotReader, SnapshotView } from "#query";

/** A view's rows as sorted JSON texts, by name of the view. */
export type Rows = ReadonlyMap<string, readonly string[]>;

async function select(name: string, point: number, view: SnapshotView): Promise<string> {
  const cells = view.columns.map((column) => `"${column.name}"::VARCHAR`).join(", ");
  return `SELECT ${point} AS point, '${name}' AS name, to_json([${cells}])::VARCHAR AS row FROM ${await view.relation()}`;
}

/** All rows of these views at several points, by one statement. */
export async function readPoints(
  database: Database,
  points: readonly { readonly reader: SnapshotReader; readonly views: readonly string[] }[],
): Promise<Rows[]> {
  const selects = await Promise.all(
    points.flatMap(({ reader, views }, i) => views.map((name) => select(name, i, reader.views.get(name)!))),
  );
  const found = await database.with((connection) =>
    connection.rows<{ point: number; name: string; row: string }>(selects.join(" UNION ALL ")),
  );
  return points.map(({ views }, i) => {
    const rows = new Map<string, string[]>(views.map((name) => [name, []]));
    for (const { point, name, row } of found) if (Number(point) === i) rows.get(name)!.push(row);
    for (const group of rows.values()) group.sort();
    return rows;
  });
}

/** A view's rows as a client gets them over HTTP. The test's texts have neither quotes nor commas, and none is empty. */
export async function readByHttp(url: string, view: string): Promise<string[]> {
  const response = await fetch(`${url}/views/${view}.csv`);
  const body = await response.text();
  if (response.status !== 200) throw new Error(`GET /views/${view}.csv answers ${response.status}: ${body}`);
  const [, ...lines] = body.split(/\r?\n/).filter((line) => line !== "");
  return lines
    .map((line) => JSON.stringify(line.split(",").map((cell) => (cell === "" ? null : cell))))
    .sort();
}
