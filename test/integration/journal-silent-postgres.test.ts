import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EventStore } from "../../src/events/event-store.js";
import { POSTGRES_LIMITS } from "../../src/events/postgres/limits.js";
import { PostgresLog } from "../../src/events/postgres/postgres-log.js";
import { APPEND_LOCK } from "../../src/events/postgres/schema.js";
import { type PostgresServer, postgresAvailable, startPostgres } from "../support/postgres-server.js";
import { silentProxy } from "../support/silent-proxy.js";

const SHORT = { connectMs: 2000, silentMs: 500, lockMs: 4000, answerMs: 5000, closeMs: 500 };
const UNAVAILABLE = { code: "events/unavailable", kind: "unavailable", retryable: true };

async function open(url: string, limits = {}): Promise<EventStore> {
  return new EventStore(await PostgresLog.open(url, undefined, { ...POSTGRES_LIMITS, ...SHORT, ...limits }));
}

const append = (store: EventStore, id: string) =>
  store.append({ stream: "a", events: [{ id, type: "noted", data: 1 }], expected: "any" });

describe.skipIf(!postgresAvailable())(
  "the journal in a Postgres that goes silent",
  { timeout: 60_000 },
  () => {
    let server: PostgresServer;
    beforeAll(async () => {
      server = await startPostgres();
    });
    afterAll(() => server.stop());

    it("says that it is unavailable while somebody holds its lock, and goes on afterwards", async () => {
      const url = await server.database();
      const store = await open(url, { lockMs: 300 });
      const holder = new pg.Client({ connectionString: url });
      await holder.connect();
      await holder.query("BEGIN");
      await holder.query("SELECT pg_advisory_xact_lock($1)", [APPEND_LOCK]);
      await expect(append(store, "first")).rejects.toMatchObject(UNAVAILABLE);
      await holder.query("ROLLBACK");
      expect(await append(store, "first")).toMatchObject({ position: 1, repeated: false });
      await holder.end();
      await store.close();
    });

    it("frees others of a machine that lost power in the middle of an append", async () => {
      const url = new URL(await server.database());
      const proxy = await silentProxy(Number(url.port));
      const through = new URL(url);
      through.port = String(proxy.port);
      const [lost, other] = [await open(through.href), await open(url.href)];
      proxy.silenceAt("NOTIFY");
      const cut = append(lost, "one");
      cut.catch(() => undefined);
      await expect.poll(() => holders(url.href)).toBe(1);
      const started = performance.now();
      expect(await append(other, "two")).toMatchObject({ position: 1 });
      expect(performance.now() - started).toBeLessThan(SHORT.lockMs);
      await expect(cut).rejects.toMatchObject(UNAVAILABLE);
      proxy.heal();
      expect(await append(lost, "one")).toMatchObject({ position: 2, repeated: false });
      await lost.close();
      await other.close();
      await proxy.stop();
    });

    it("does not wait for ever for an answer, nor for a goodbye", async () => {
      const url = new URL(await server.database());
      const proxy = await silentProxy(Number(url.port));
      const through = new URL(url);
      through.port = String(proxy.port);
      const store = await open(through.href, { answerMs: 500, pageMs: 500 });
      await append(store, "one");
      proxy.silenceAt("");
      await expect(store.head()).rejects.toMatchObject(UNAVAILABLE);
      await expect(store.readAll(0, 10)).rejects.toMatchObject(UNAVAILABLE);
      await expect(append(store, "two")).rejects.toMatchObject(UNAVAILABLE);
      await store.close();
      await proxy.stop();
    });

    it("is opened beside a backup, which holds its tables for long", async () => {
      const url = await server.database();
      await (await open(url)).close();
      const backup = new pg.Client({ connectionString: url });
      await backup.connect();
      await backup.query("BEGIN");
      await backup.query("LOCK TABLE events, subject_keys IN ACCESS SHARE MODE");
      const store = await open(url, { lockMs: 300 });
      expect(await append(store, "one")).toMatchObject({ position: 1 });
      await backup.end();
      await store.close();
    });
  },
);

/** How many sessions hold the append lock. */
async function holders(url: string): Promise<number> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query<{ n: number }>(
    "SELECT count(*)::int AS n FROM pg_locks WHERE locktype = 'advisory' AND granted",
  );
  await client.end();
  return rows[0]!.n;
}
