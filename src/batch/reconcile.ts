import { stat } from "node:fs/promises";
import path from "node:path";
import { type Connection, quoteLiteral } from "#duckdb";
import { LakeError } from "#kernel";
import { type Lake, landingRelation, liveResources, type Snapshot } from "#lake";
import type { LandingManifest } from "#landing";

/**
 * The ids that a source has: a text file of `Type/id` lines (an id may stand there twice), or a landing of everything it has, of which
 * nothing was refused.
 */
export type PresentIds =
  | { readonly kind: "id-file"; readonly path: string }
  | { readonly kind: "landing"; readonly landingDir: string; readonly manifest: LandingManifest };

/** What to compare. */
export interface IdComparisonRequest {
  readonly source: string;
  /** Types that the list covers completely; others are not looked at. */
  readonly types: readonly string[];
  readonly present: PresentIds;
  /** An existing folder for the two files of the answer. */
  readonly outputDir: string;
  /** Default: the newest. */
  readonly snapshot?: Snapshot;
}

/** Counts of one type. */
export interface IdComparisonCounts {
  readonly type: string;
  /** Live resources of the source in the lake. */
  readonly live: number;
  /** Different ids in the list. */
  readonly listed: number;
  /** Live in the lake and not in the list. */
  readonly vanished: number;
  /** In the list and not live in the lake. */
  readonly unknown: number;
}

/** The answer of {@link compareIds}; the lists are files because they can be as long as the lake. */
export interface IdComparison {
  readonly types: readonly IdComparisonCounts[];
  /** Lines `Type/id`, tab, order key of the lake's version; sorted. */
  readonly vanishedFile: string;
  /** Lines `Type/id`; sorted. */
  readonly unknownFile: string;
}

function incompleteLanding(refused: number): LakeError {
  return new LakeError(
    "conflict",
    "batch/incomplete-list",
    `${refused} pieces of the export were refused, so what is missing in the landing may still be at the source; no deletes were concluded from it.`,
    { details: { refused } },
  );
}

async function listed(present: PresentIds, types: readonly string[]): Promise<string> {
  const named = types.map(quoteLiteral).join(", ");
  if (present.kind === "id-file") {
    // An empty file has no line to tell columns by.
    const { size } = await stat(present.path);
    if (size === 0) return "SELECT NULL::VARCHAR AS type, NULL::VARCHAR AS id WHERE false";
    const lines = `read_csv(${quoteLiteral(present.path)}, header = false, auto_detect = false, delim = '\\x1f', quote = '', escape = '', nullstr = '\\N', columns = {'line': 'VARCHAR'})`;
    return `SELECT DISTINCT split_part(line, '/', 1) AS type, split_part(line, '/', 2) AS id FROM ${lines} WHERE split_part(line, '/', 1) IN (${named})`;
  }
  const { counts, problems, files } = present.manifest;
  if (counts.quarantined > 0 || problems.length > 0) {
    throw incompleteLanding(Math.max(counts.quarantined, problems.length));
  }
  const parts = types.flatMap((type) => {
    const own = files
      .filter((file) => file.type === type)
      .map((file) => ({ ...file, path: path.join(present.landingDir, file.path) }));
    return own.length === 0
      ? []
      : [`SELECT DISTINCT ${quoteLiteral(type)} AS type, id FROM ${landingRelation(own)} WHERE kind = 'U'`];
  });
  return parts.length === 0
    ? "SELECT NULL::VARCHAR AS type, NULL::VARCHAR AS id WHERE false"
    : parts.join(" UNION ALL ");
}

async function liveIds(
  lake: Lake,
  snapshot: Snapshot | undefined,
  request: IdComparisonRequest,
): Promise<string> {
  const parts: string[] = [];
  for (const type of request.types) {
    const table = snapshot?.tables[type];
    if (table === undefined) continue;
    const { relation } = await liveResources(lake, type, table);
    parts.push(
      `SELECT ${quoteLiteral(type)} AS type, _lake_id AS id, _lake_order AS ord FROM ${relation} WHERE _lake_source = ${quoteLiteral(request.source)}`,
    );
  }
  return parts.length === 0
    ? "SELECT NULL::VARCHAR AS type, NULL::VARCHAR AS id, NULL::VARCHAR AS ord WHERE false"
    : parts.join(" UNION ALL ");
}

async function writeList(connection: Connection, select: string, file: string): Promise<void> {
  await connection.run(
    `COPY (${select}) TO ${quoteLiteral(file)} (FORMAT csv, DELIMITER '\t', HEADER false, QUOTE '', ESCAPE '')`,
  );
}

const COUNTS = `SELECT coalesce(l.type, s.type) AS type, count(l.id) AS live, count(s.id) AS listed,
                       count(*) FILTER (s.id IS NULL) AS vanished, count(*) FILTER (l.id IS NULL) AS unknown
                FROM reconcile_live l FULL JOIN reconcile_listed s ON l.type = s.type AND l.id = s.id GROUP BY ALL`;

/**
 * Compares the ids that a source has with the live resources of the lake, in the engine: any number of ids needs bounded memory. Errors:
 * `batch/incomplete-list` for a landing of which something was refused.
 */
export async function compareIds(lake: Lake, request: IdComparisonRequest): Promise<IdComparison> {
  return await lake.reading(() => compared(lake, request));
}

async function compared(lake: Lake, request: IdComparisonRequest): Promise<IdComparison> {
  const snapshot = request.snapshot ?? (await lake.history.latest());
  const vanishedFile = path.join(request.outputDir, "vanished.tsv");
  const unknownFile = path.join(request.outputDir, "unknown.txt");
  const [live, present] = [
    await liveIds(lake, snapshot, request),
    await listed(request.present, request.types),
  ];
  return await lake.database.with(async (connection) => {
    await connection.run(`CREATE OR REPLACE TEMP TABLE reconcile_live AS ${live}`);
    await connection.run(`CREATE OR REPLACE TEMP TABLE reconcile_listed AS ${present}`);
    await writeList(
      connection,
      "SELECT type || '/' || id, ord FROM reconcile_live ANTI JOIN reconcile_listed USING (type, id) ORDER BY type, id",
      vanishedFile,
    );
    await writeList(
      connection,
      "SELECT type || '/' || id FROM reconcile_listed ANTI JOIN reconcile_live USING (type, id) ORDER BY type, id",
      unknownFile,
    );
    const rows = await connection.rows<Record<keyof IdComparisonCounts, string>>(COUNTS);
    await connection.run("DROP TABLE reconcile_live");
    await connection.run("DROP TABLE reconcile_listed");
    const byType = new Map(rows.map((row) => [row.type, row]));
    const types = request.types.map((type) => {
      const row = byType.get(type);
      const of = (name: keyof IdComparisonCounts): number => Number(row?.[name] ?? 0);
      return {
        type,
        live: of("live"),
        listed: of("listed"),
        vanished: of("vanished"),
        unknown: of("unknown"),
      };
    });
    return { types, vanishedFile, unknownFile };
  });
}
