import type { Connection } from "#duckdb";
import { quoteLiteral } from "#duckdb";
import type { Lake } from "../lake.js";
import type { Snapshot } from "../snapshot.js";
import { Belonging } from "./belonging.js";
import { mentioningRows } from "./mention-sql.js";
import { type ErasureRequest, readRequest } from "./request.js";

/** Records are immutable, so each is read once per process. */
const known = new WeakMap<Lake, Map<string, ErasureRequest>>();

/** Requests of the erasures in force at a snapshot. */
export async function requestsOf(lake: Lake, head: Snapshot | undefined): Promise<ErasureRequest[]> {
  const ids = head?.erasures ?? [];
  if (ids.length === 0) return [];
  const cache = known.get(lake) ?? new Map<string, ErasureRequest>();
  known.set(lake, cache);
  const found: ErasureRequest[] = [];
  for (const id of ids) {
    const request = cache.get(id) ?? (await readRequest(lake, id));
    cache.set(id, request);
    found.push(request);
  }
  return found;
}

interface Landed {
  readonly type: string;
  readonly source: string;
}

/** Adds (key, order) of records that belong to erased persons, or name them where that is enough. */
async function refuseByReference(
  lake: Lake,
  connection: Connection,
  landed: Landed,
  landing: string,
  request: ErasureRequest,
): Promise<void> {
  const persons = request.persons.filter(({ source }) => source === landed.source).map(({ key }) => key);
  if (persons.length === 0) return;
  const records = `(SELECT "key", "order" AS ord, raw FROM ${landing})`;
  const rows = await connection.rows<{ key: string; ord: string; raw: string }>(
    mentioningRows(records, '"key", ord, raw', "raw", landed.type, landed.source, persons),
  );
  const belonging = new Belonging(lake.definitions, landed.source, persons);
  const refused = rows.filter(
    ({ raw }) => request.mentions === "erase" || belonging.owns(landed.type, JSON.parse(raw)),
  );
  for (let i = 0; i < refused.length; i += 1000) {
    const values = refused
      .slice(i, i + 1000)
      .map(({ key, ord }) => `(${quoteLiteral(key)}, ${quoteLiteral(ord)})`);
    await connection.run(`INSERT INTO refused VALUES ${values.join(", ")}`);
  }
}

/** Landing records that may be stored, and how many may not. */
export interface AllowedRecords {
  /** Wraps a landing relation of the same landing; the same text when nothing is refused. */
  readonly wrap: (landing: string) => string;
  readonly refused: number;
}

/**
 * Takes records of erased persons out of a landing: those with an erased key and those that are about an erased patient. A landing
 * that names nobody erased, and every landing of a lake without erasures, passes untouched.
 */
export async function withoutErased(
  lake: Lake,
  connection: Connection,
  landed: Landed,
  landing: string,
  head: Snapshot | undefined,
): Promise<AllowedRecords> {
  const requests = (await requestsOf(lake, head)).filter(({ sources }) => sources.includes(landed.source));
  const untouched: AllowedRecords = { wrap: (relation) => relation, refused: 0 };
  if (requests.length === 0) return untouched;
  await connection.run('CREATE OR REPLACE TEMP TABLE refused("key" VARCHAR, "order" VARCHAR)');
  for (const request of requests) {
    const keys = request.keys.map(quoteLiteral).join(", ");
    if (keys !== "") {
      await connection.run(
        `INSERT INTO refused SELECT "key", "order" FROM ${landing} WHERE "key" IN (${keys})`,
      );
    }
    await refuseByReference(lake, connection, landed, landing, request);
  }
  const [row] = await connection.rows<{ n: string }>(
    'SELECT count(*) AS n FROM (SELECT DISTINCT "key", "order" FROM refused)',
  );
  const refused = Number(row?.n ?? 0);
  if (refused === 0) return untouched;
  return {
    wrap: (relation) =>
      `(SELECT l.* FROM ${relation} l ANTI JOIN refused r ON l."key" = r."key" AND l."order" = r."order")`,
    refused,
  };
}
