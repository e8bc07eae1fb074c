import type pg from "pg";
import { idTaken } from "../errors.js";
import type { AppendOutcome, PreparedEvent, PreparedRequest } from "../event-log.js";
import { newSubjectKey, seal } from "../payload-cipher.js";

interface Known {
  readonly versions: Map<string, number>;
  readonly appended: Map<string, { stream: string; position: number; version: number }>;
}

interface Row {
  readonly position: number;
  readonly stream: string;
  readonly version: number;
  readonly event: PreparedEvent;
}

/** Keys for the payloads of the rows; those that a subject does not have yet are made, to open what stands there from the first row on. */
async function subjectKeys(
  client: pg.PoolClient,
  rows: readonly Row[],
): Promise<ReadonlyMap<string, Uint8Array>> {
  const subjects = [
    ...new Set(rows.flatMap(({ event }) => (event.payload === undefined ? [] : [event.subject!]))),
  ];
  if (subjects.length === 0) return new Map();
  await client.query(
    "INSERT INTO subject_keys SELECT subject, key, $3 FROM unnest($1::text[], $2::bytea[]) n(subject, key) ON CONFLICT DO NOTHING",
    [subjects, subjects.map(() => newSubjectKey()), rows[0]!.position],
  );
  const known = await client.query<{ subject: string; key: Buffer }>(
    "SELECT subject, key FROM subject_keys WHERE subject = ANY($1)",
    [subjects],
  );
  return new Map(known.rows.map((row) => [row.subject, row.key]));
}

async function known(client: pg.PoolClient, requests: readonly PreparedRequest[]): Promise<Known> {
  const streams = [...new Set(requests.map((request) => request.stream))];
  const versions = await client.query<{ stream: string; version: string }>(
    "SELECT stream, version FROM streams WHERE stream = ANY($1)",
    [streams],
  );
  const appended = await client.query<{ id: string; stream: string; position: string; version: string }>(
    "SELECT id, stream, position, version FROM events WHERE id = ANY($1)",
    [requests.map((request) => request.events.at(-1)!.id)],
  );
  return {
    versions: new Map(versions.rows.map((row) => [row.stream, Number(row.version)])),
    appended: new Map(
      appended.rows.map((row) => [
        row.id,
        { stream: row.stream, position: Number(row.position), version: Number(row.version) },
      ]),
    ),
  };
}

function decide(request: PreparedRequest, state: Known, rows: Row[], head: number): AppendOutcome {
  const { stream, expected, events } = request;
  const last = events.at(-1)!;
  const earlier = state.appended.get(last.id);
  if (earlier !== undefined) {
    if (earlier.stream !== stream) {
      throw idTaken();
    }
    return { ok: true, result: { position: earlier.position, version: earlier.version, repeated: true } };
  }
  const actual = state.versions.get(stream) ?? 0;
  if (expected !== "any" && expected !== actual) return { ok: false, expected, actual };
  let version = actual;
  for (const event of events)
    rows.push({ position: head + rows.length + 1, stream, version: ++version, event });
  const position = head + rows.length;
  state.versions.set(stream, version);
  state.appended.set(last.id, { stream, position, version });
  return { ok: true, result: { position, version, repeated: false } };
}

async function write(client: pg.PoolClient, rows: readonly Row[], state: Known): Promise<void> {
  const keys = await subjectKeys(client, rows);
  await client.query(
    `INSERT INTO events SELECT * FROM unnest(
       $1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::bytea[], $8::text[], $9::text[])`,
    [
      rows.map((row) => row.position),
      rows.map((row) => row.stream),
      rows.map((row) => row.version),
      rows.map((row) => row.event.id),
      rows.map((row) => row.event.type),
      rows.map((row) => row.event.data),
      rows.map(({ event }) =>
        event.payload === undefined ? null : seal(keys.get(event.subject!)!, event.payload, event.id),
      ),
      rows.map((row) => row.event.subject ?? null),
      rows.map((row) => row.event.occurredAt),
    ],
  );
  const streams = [...new Set(rows.map((row) => row.stream))];
  await client.query(
    "INSERT INTO streams SELECT * FROM unnest($1::text[], $2::bigint[]) ON CONFLICT (stream) DO UPDATE SET version = excluded.version",
    [streams, streams.map((stream) => state.versions.get(stream)!)],
  );
  await client.query("UPDATE journal_head SET position = $1", [rows.at(-1)!.position]);
}

/** Appends a group inside the caller's transaction, which holds the append lock. A few statements, however many events. */
export async function appendGroup(
  client: pg.PoolClient,
  requests: readonly PreparedRequest[],
): Promise<AppendOutcome[]> {
  const { rows: heads } = await client.query<{ position: string }>("SELECT position FROM journal_head");
  const head = Number(heads[0]!.position);
  const state = await known(client, requests);
  const rows: Row[] = [];
  const outcomes = requests.map((request) => decide(request, state, rows, head));
  if (rows.length > 0) await write(client, rows, state);
  return outcomes;
}
