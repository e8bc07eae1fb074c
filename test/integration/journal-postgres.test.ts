import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventStoreContract } from "../../src/events/event-store.contract.js";
import { EventStore } from "../../src/events/event-store.js";
import { PostgresLog } from "../../src/events/postgres/postgres-log.js";
import { type PostgresServer, postgresAvailable, startPostgres } from "../support/postgres-server.js";

describe.skipIf(!postgresAvailable())("the journal in Postgres", () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.stop());

  eventStoreContract("Postgres", async () => {
    const url = await server.database();
    return { open: () => PostgresLog.open(url), end: async () => undefined };
  });

  it("refuses to change or remove an event, whoever asks", async () => {
    const url = await server.database();
    const store = new EventStore(await PostgresLog.open(url));
    await store.append({ stream: "a", events: [{ type: "noted", data: 1 }], expected: 0 });
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await expect(client.query("UPDATE events SET type = 'other'")).rejects.toThrow("append-only");
    await expect(client.query("DELETE FROM events")).rejects.toThrow("append-only");
    await client.end();
    await store.close();
  });

  it("goes on after its connections were cut, appending nothing twice", async () => {
    const url = await server.database();
    const store = new EventStore(await PostgresLog.open(url));
    const seen: number[] = [];
    const subscription = store.subscribe({
      pollMs: 50,
      handle: async (events) => {
        seen.push(...events.map((event) => event.position));
      },
    });
    await store.append({ stream: "a", events: [{ type: "noted", data: 1 }], expected: 0 });
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await client.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
    await client.end();
    await store.append({ stream: "a", events: [{ type: "noted", data: 2 }], expected: 1 });
    await subscription.reached(2);
    expect(seen).toEqual([1, 2]);
    await subscription.stop();
    await store.close();
  });

  it("shows its address without credentials and says when nothing answers there", async () => {
    await expect(PostgresLog.open("postgres://me:secret@127.0.0.1:1/none")).rejects.toMatchObject({
      code: "events/unavailable",
      message: expect.not.stringContaining("secret") as string,
    });
  });
});
