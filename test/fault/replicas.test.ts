import type { ChildProcess } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { openEventStore } from "#events";
import { cli, type Finished, startCli } from "../support/cli.js";
import { type PostgresServer, postgresAvailable, startPostgres } from "../support/postgres-server.js";
import { type RedisServer, redisAvailable, startRedis } from "../support/redis-server.js";

const SECRET = "a-secret-of-this-test";

interface Replica {
  readonly url: string;
  readonly child: ChildProcess;
  readonly finished: Promise<Finished>;
}

function patient(id: string, family: string, second: number): string {
  const lastUpdated = new Date(Date.UTC(2026, 0, 2, 0, 0, second)).toISOString();
  return JSON.stringify({ resourceType: "Patient", id, meta: { lastUpdated }, name: [{ family }] });
}

describe.skipIf(!redisAvailable())("serving processes on one lake and one Redis", () => {
  let redis: RedisServer;
  let postgres: PostgresServer | undefined;
  let folder: string;
  let environment: Record<string, string>;
  let replicas: Replica[];
  let second: number;

  beforeAll(async () => {
    redis = await startRedis();
    if (postgresAvailable()) postgres = await startPostgres();
  });
  afterAll(async () => {
    await redis.stop();
    await postgres?.stop();
  });
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "fhir-lake-replicas-"));
    replicas = [];
    second = 0;
    await writeFile(
      path.join(folder, "fhir-lake.config.json"),
      JSON.stringify({
        lake: "lake",
        sources: {
          main: {
            url: "http://127.0.0.1:9",
            kind: "bulk",
            types: ["Patient"],
            notifications: { path: [{ env: "PATH_SECRET" }] },
          },
        },
      }),
    );
    environment = { PATH_SECRET: SECRET, REDIS_URL: redis.url };
    const first = path.join(folder, "first.ndjson");
    await writeFile(first, `${patient("p0", "Before", 0)}\n`);
    const { code, stderr } = await cli(["ingest", "ndjson", first, "--source", "main"], {
      cwd: folder,
      env: environment,
    });
    expect([code, stderr]).toEqual([0, expect.any(String)]);
  });
  afterEach(async () => {
    for (const { child } of replicas) child.kill("SIGKILL");
    await Promise.all(replicas.map(({ finished }) => finished));
    await rm(folder, { recursive: true, force: true });
  });

  const start = async (): Promise<Replica> => {
    const { child, finished } = startCli(["serve", "--port", "0"], { cwd: folder, env: environment });
    const url = await new Promise<string>((resolve, reject) => {
      child.stdout!.on("data", (chunk) => {
        const match = / on (http:\S+)/.exec(String(chunk));
        if (match !== null) resolve(match[1]!);
      });
      void finished.then(({ stderr }) => reject(new Error(stderr)));
    });
    const replica = { url, child, finished };
    replicas.push(replica);
    return replica;
  };
  const notify = async (to: Replica, id: string, family: string): Promise<void> => {
    const response = await fetch(`${to.url}/notify/main/${SECRET}`, {
      method: "POST",
      body: patient(id, family, ++second),
    });
    expect(response.status).toBe(204);
  };
  const epoch = async (): Promise<number> => {
    const databaseUrl = environment["DATABASE_URL"];
    const file = path.join(folder, "lake", "journal", "journal.sqlite");
    const journal = await openEventStore({ file, databaseUrl });
    const head = await journal.head();
    await journal.close();
    return head;
  };
  const answer = async (of: Replica, minEpoch: number): Promise<{ rows: string[]; state: string | null }> => {
    const response = await fetch(`${of.url}/views/patient_names.csv?select=id,family&min_epoch=${minEpoch}`);
    expect(response.status).toBe(200);
    expect(Number(response.headers.get("X-Lake-Epoch"))).toBeGreaterThanOrEqual(minEpoch);
    const [, ...rows] = (await response.text()).trim().split(/\r?\n/);
    return { rows: rows.sort(), state: response.headers.get("X-Lake-State") };
  };

  /** Sends changes to every replica in turn and compares what each answers with what was sent. */
  const converge = async (serving: readonly Replica[], expected: Map<string, string>): Promise<void> => {
    for (let n = 0; n < serving.length + 1; n++) {
      const id = `p${n % 4}`;
      const family = `Family${second}`;
      await notify(serving[n % serving.length]!, id, family);
      expected.set(id, family);
      // Whoever is asked: what was acknowledged by one is in the answer of the next.
      const asked = serving[(n + 1) % serving.length]!;
      expect((await answer(asked, await epoch())).rows).toContain(`${id},${family}`);
    }
    const head = await epoch();
    const rows = [...expected].map(([id, family]) => `${id},${family}`).sort();
    for (const replica of serving) expect((await answer(replica, head)).rows).toEqual(rows);
  };

  const journals = ["SQLite", ...(postgresAvailable() ? ["Postgres"] : [])];
  it.each(journals)(
    "give equal answers, whoever was notified, with a journal in %s",
    async (kind) => {
      if (kind === "Postgres") environment["DATABASE_URL"] = await postgres!.database();
      const serving = [await start(), await start(), await start()];
      const expected = new Map([["p0", "Before"]]);
      await converge(serving, expected);

      await redis.command("FLUSHALL");
      await converge(serving, expected);

      // Whichever of them writes to Redis: another one takes over.
      const [killed, ...left] = serving;
      killed!.child.kill("SIGKILL");
      await killed!.finished;
      await converge(left, expected);

      await redis.kill();
      await converge(left, expected);
      expect((await answer(left[0]!, 0)).state).toBe("degraded");

      await redis.start();
      const joined = await start();
      await converge([...left, joined], expected);
      for (let attempt = 0; (await answer(left[0]!, 0)).state === "degraded"; attempt++) {
        expect(attempt).toBeLessThan(200);
        await sleep(50);
      }
      for (const { child, finished } of [...left, joined]) {
        child.kill("SIGTERM");
        expect((await finished).code).toBe(0);
      }
    },
    240_000,
  );
});
