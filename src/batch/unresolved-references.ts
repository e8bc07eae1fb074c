import { type Connection, quoteIdentifier, quoteLiteral } from "#duckdb";
import type { Shape } from "#fhir";
import { type Lake, liveResources, type Snapshot, type TableState } from "#lake";

/** Which references to look at. */
export interface ReferencesRequest {
  /** References of this source's resources, to this source's resources: names of resources hold within their source. */
  readonly source: string;
  /** Only resources that came to the tables after this snapshot; all when absent. */
  readonly after?: Snapshot;
  /** Base URL of the source, ending in a slash: absolute references below it count as relative ones. */
  readonly base?: string;
  /** Default: the newest. */
  readonly snapshot?: Snapshot;
}

/** How many of the resources that others refer to are in the lake. A resource counts once, however many refer to it. */
export interface ReferenceCounts {
  /** Different resources of the source that are referred to by `Type/id`. */
  readonly targets: number;
  /** By type, those of them that are not live in the lake; types without any are left out. */
  readonly unresolved: Readonly<Record<string, number>>;
}

const TARGET = "^([A-Z][A-Za-z]{1,63})/([A-Za-z0-9.-]{1,64})(?:/_history/[A-Za-z0-9.-]{1,64})?$";
/** In what is kept as JSON text: contained resources, deeply nested extensions. */
const IN_JSON = '"reference"\\s*:\\s*"([^"\\\\]+)"';

/** SQL expressions, each a list of the texts of references somewhere in a value; lists may hold NULLs. */
function lists(shape: Shape, value: string, depth: number): string[] {
  switch (shape.kind) {
    case "scalar":
      return [];
    case "json":
      return [`regexp_extract_all(${value}::VARCHAR, ${quoteLiteral(IN_JSON)}, 1)`];
    case "struct":
      return [...shape.fields].flatMap(([name, field]) => {
        const member = `${value}.${quoteIdentifier(name)}`;
        return name === "reference" && field.kind === "scalar"
          ? [`[${member}]`]
          : lists(field, member, depth);
      });
    case "list": {
      const item = `item${depth}`;
      return lists(shape.item, item, depth + 1).map(
        (inner) => `flatten(list_transform(${value}, lambda ${item}: ${inner}))`,
      );
    }
  }
}

/** The rows of a table that came after a snapshot: those in layers that it does not have. */
function newRows(table: TableState, before: TableState | undefined): TableState {
  const known = new Set(before?.layers.flatMap(({ files }) => files.map(({ key }) => key)));
  return { ...table, layers: table.layers.filter(({ files }) => files.some(({ key }) => !known.has(key))) };
}

/** A SELECT of the texts of all references in a table, each once; undefined when it can hold none. */
async function referencesOf(
  lake: Lake,
  type: string,
  table: TableState,
  source: string,
): Promise<string | undefined> {
  if (table.layers.length === 0) return undefined;
  const { relation, shape } = await liveResources(lake, type, table);
  const found = [...shape.fields].flatMap(([name, field]) => lists(field, `r.${quoteIdentifier(name)}`, 0));
  if (found.length === 0) return undefined;
  // One list of all of them, so that the table is read once.
  return `SELECT DISTINCT unnest(flatten([${found.join(", ")}])) AS reference FROM ${relation} r WHERE _lake_source = ${quoteLiteral(source)}`;
}

async function wanted(lake: Lake, snapshot: Snapshot, request: ReferencesRequest): Promise<string> {
  const parts: string[] = [];
  for (const [type, table] of Object.entries(snapshot.tables)) {
    const looked = request.after === undefined ? table : newRows(table, request.after.tables[type]);
    const part = await referencesOf(lake, type, looked, request.source);
    if (part !== undefined) parts.push(part);
  }
  if (parts.length === 0) return "SELECT NULL::VARCHAR AS type, NULL::VARCHAR AS id WHERE false";
  const base = quoteLiteral(request.base ?? "");
  const relative = `CASE WHEN starts_with(reference, ${base}) THEN substr(reference, length(${base}) + 1) ELSE reference END`;
  return `SELECT DISTINCT target.type AS type, target.id AS id
          FROM (SELECT regexp_extract(${relative}, ${quoteLiteral(TARGET)}, ['type', 'id']) AS target FROM (${parts.join(" UNION ALL ")}))
          WHERE target.type <> ''`;
}

async function unresolvedOf(
  lake: Lake,
  connection: Connection,
  type: string,
  table: TableState,
  source: string,
): Promise<number> {
  const { relation } = await liveResources(lake, type, table);
  const [row] = await connection.rows<{ n: string }>(
    `SELECT count(*) AS n FROM (SELECT id FROM reference_targets WHERE type = ${quoteLiteral(type)})
     ANTI JOIN (SELECT id FROM ${relation} WHERE _lake_source = ${quoteLiteral(source)}) USING (id)`,
  );
  return Number(row!.n);
}

async function counted(lake: Lake, request: ReferencesRequest): Promise<ReferenceCounts> {
  const snapshot = request.snapshot ?? (await lake.history.latest());
  if (snapshot === undefined) return { targets: 0, unresolved: {} };
  const select = await wanted(lake, snapshot, request);
  return await lake.database.with(async (connection) => {
    await connection.run(`CREATE OR REPLACE TEMP TABLE reference_targets AS ${select}`);
    const types = await connection.rows<{ type: string; n: string }>(
      "SELECT type, count(*) AS n FROM reference_targets GROUP BY type ORDER BY type",
    );
    const unresolved: Record<string, number> = {};
    let targets = 0;
    for (const { type, n } of types) {
      targets += Number(n);
      const table = snapshot.tables[type];
      const missing =
        table === undefined ? Number(n) : await unresolvedOf(lake, connection, type, table, request.source);
      if (missing > 0) unresolved[type] = missing;
    }
    await connection.run("DROP TABLE reference_targets");
    return { targets, unresolved };
  });
}

/**
 * Counts the resources that a source's resources refer to and the lake does not have, in the engine and by reading the columns with
 * references only. What says nothing about the source is passed over: fragments, `urn:` names, searches, addresses elsewhere.
 */
export async function unresolvedReferences(lake: Lake, request: ReferencesRequest): Promise<ReferenceCounts> {
  return await lake.reading(() => counted(lake, request));
}
