import type pg from "pg";

/** Removes the oldest events of each stream, and the keys of subjects that have none left, inside the caller's transaction, which holds the append lock. */
export async function trimSome(
  client: pg.PoolClient,
  { streamPrefix, upTo, limit }: { streamPrefix: string; upTo: number; limit: number },
): Promise<number> {
  await client.query(
    "INSERT INTO trims VALUES ($1, $2) ON CONFLICT (stream_prefix) DO UPDATE SET position = greatest(trims.position, excluded.position)",
    [streamPrefix, upTo],
  );
  const { rows: streams } = await client.query<{ stream: string }>(
    "SELECT stream FROM streams WHERE starts_with(stream, $1)",
    [streamPrefix],
  );
  const subjects = new Set<string>();
  let removed = 0;
  for (const { stream } of streams) {
    const { rows } = await client.query<{ subject: string | null }>(
      `DELETE FROM events WHERE stream = $1 AND version <= (
         SELECT max(version) FROM (
           SELECT version FROM events WHERE stream = $1 AND position <= $2 ORDER BY version LIMIT $3) oldest)
       RETURNING subject`,
      [stream, upTo, limit - removed],
    );
    for (const { subject } of rows) if (subject !== null) subjects.add(subject);
    removed += rows.length;
    if (removed >= limit) break;
  }
  await client.query(
    "DELETE FROM subject_keys k WHERE k.subject = ANY($1) AND NOT EXISTS (SELECT 1 FROM events e WHERE e.subject = k.subject)",
    [[...subjects]],
  );
  return removed;
}
