import type { Database } from "#duckdb";
import type { SnapshotReader, SnapshotView } from "#query";

/** A view's rows as sorted JSON texts, by name of the view. */
export type Rows = ReadonlyMap<string, readonly string[]>;

/** Every row at every point in one shape: which SELECT it comes from, then its cells as texts. */
async function select(from: number, view: SnapshotView, width: number): Promise<string> {
  const cells = Array.from({ length: width }, (_, at) => {
    const column = view.columns[at];
    return `${column === undefined ? "NULL" : `"${column.name}"`}::VARCHAR AS c${at}`;
  });
  return `SELECT ${from} AS origin, ${cells.join(", ")} FROM ${await view.relation()}`;
}

/** All rows of these views at several points, by one statement. */
export async function readPoints(
  database: Database,
  points: readonly { readonly reader: SnapshotReader; readonly views: readonly string[] }[],
): Promise<Rows[]> {
  const asked = points.flatMap(({ reader, views }, point) =>
    views.map((name) => ({ point, name, view: reader.views.get(name)! })),
  );
  const width = Math.max(...asked.map(({ view }) => view.columns.length));
  const selects = await Promise.all(asked.map(({ view }, from) => select(from, view, width)));
  const found = await database.with((connection) =>
    connection.rows<Record<string, string | null>>(selects.join(" UNION ALL ")),
  );
  const rows = asked.map((): string[] => []);
  for (const row of found) {
    const from = Number(row["origin"]);
    rows[from]!.push(JSON.stringify(asked[from]!.view.columns.map((_, at) => row[`c${at}`])));
  }
  return points.map((_, point) => {
    const own = asked.flatMap((one, from) =>
      one.point === point ? [[one.name, rows[from]!.sort()] as const] : [],
    );
    return new Map(own);
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
