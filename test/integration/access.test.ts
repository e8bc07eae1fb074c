import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadViews, shippedViewsDirectory } from "#batch";
import { type LoadedConfig, parseConfig } from "#config";
import { openEventStore } from "#events";
import { Lake } from "#lake";
import { newApiKey, verifyAudit } from "#serving";
import { auditStream, openAudit } from "../../src/app/access/audit-store.js";
import { configuredAccess, type ServerAccess } from "../../src/app/access/configured-access.js";
import { LakeKeys } from "../../src/app/access/lake-keys.js";
import { derivedKey, lakeSecret } from "../../src/app/access/lake-secret.js";
import { ingestNdjson } from "../../src/app/ingest.js";
import { journalCopies } from "../../src/app/journal-files.js";
import { type LakeServer, serveLake } from "../../src/app/serve.js";
import { type PostgresServer, postgresAvailable, startPostgres } from "../support/postgres-server.js";

const SENDER = "a-secret-of-this-test";
const SECURITY = {
  local: false,
  roles: {
    researcher: {
      permissions: ["metadata.read", "views.read", "cohorts.read", "sql.run"],
      deidentify: true,
    },
  },
};

function patient(id: string, family: string): string {
  return JSON.stringify({
    resourceType: "Patient",
    id,
    gender: "female",
    birthDate: "1930-05-06",
    name: [{ family }],
  });
}

describe("a lake that is served to those who say who they are", () => {
  let folder: string;
  let lake: Lake;
  let server: LakeServer;
  const open: { close(): Promise<void> }[] = [];
  let postgres: PostgresServer | undefined;

  const loaded = (security: object): LoadedConfig => ({
    config: parseConfig({ security }, "test"),
    file: undefined,
    folder,
  });
  const key = async (role: string): Promise<{ readonly key: string; readonly id: string }> => {
    const { key: text, record } = newApiKey({ name: role, role, createdAt: new Date().toISOString() });
    await new LakeKeys(lake.store).add(record);
    return { key: text, id: record.id };
  };
  const start = async (environment: NodeJS.ProcessEnv = {}): Promise<void> => {
    const access = await configuredAccess(lake, "127.0.0.1", {
      loaded: loaded(SECURITY),
      environment,
      isLoopback: true,
      allowUnauthenticated: false,
    });
    const views = await loadViews([shippedViewsDirectory()], lake.definitions);
    server = await serveLake(lake, {
      host: "127.0.0.1",
      port: 0,
      compaction: false,
      access,
      live: {
        journal: { file: path.join(folder, "lake/journal/journal.sqlite") },
        senders: new Map([["main", { source: "main", policy: "time" as const, pathSecrets: [SENDER] }]]),
        views: new Map([...views].filter(([name]) => name === "patient_demographics")),
      },
    });
    open.push(server, access);
  };
  const stop = async (): Promise<void> => {
    for (const one of open.splice(0)) await one.close();
  };
  const get = async (address: string, text: string): Promise<Response> =>
    await fetch(`${server.url}${address}`, { headers: { Authorization: `Bearer ${text}` } });

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "fhir-lake-access-"));
    lake = await Lake.open({ location: path.join(folder, "lake") });
    const file = path.join(folder, "patients.ndjson");
    await writeFile(file, `${patient("p1", "One")}\n${patient("p2", "Two")}\n`);
    const views = await loadViews([shippedViewsDirectory()], lake.definitions);
    await ingestNdjson(lake, {
      inputs: [file],
      source: "main",
      policy: "time",
      views: new Map([...views].filter(([name]) => name === "patient_demographics")),
    });
  });
  afterEach(async () => {
    await stop();
    await lake.close();
    await postgres?.stop();
    postgres = undefined;
    await rm(folder, { recursive: true, force: true });
  });

  it("refuses to be open by mistake", async () => {
    const request = { environment: {}, isLoopback: false, allowUnauthenticated: false };
    const attempt = async (security: object, more: object = {}): Promise<ServerAccess> =>
      await configuredAccess(lake, "0.0.0.0", { ...request, loaded: loaded(security), ...more });
    await expect(attempt({})).rejects.toMatchObject({ code: "cli/unauthenticated" });
    await expect(attempt({ local: "reader" })).rejects.toMatchObject({ code: "cli/unauthenticated" });
    await expect(attempt({ local: false }, { allowUnauthenticated: true })).rejects.toMatchObject({
      code: "access/contradiction",
    });
    await expect(attempt({ local: "reder" }, { allowUnauthenticated: true })).rejects.toMatchObject({
      code: "serving/unknown-role",
    });
    const everybody = await attempt({}, { allowUnauthenticated: true });
    expect(everybody.isOpen).toBe(true);
    await everybody.close();
    await key("reader");
    const asking = await attempt({});
    expect(asking.isOpen).toBe(false);
    await asking.close();
    // On this machine everybody is let in, until identities are configured: a proxy here would let in the world.
    const local = await attempt({}, { isLoopback: true });
    expect(local.isOpen).toBe(true);
    await local.close();
    const roles = await attempt({ roles: SECURITY.roles }, { isLoopback: true });
    expect(roles.isOpen).toBe(false);
    await roles.close();
  });

  it("polices live changes as it does the rest, ends revoked keys, and keeps an audit log that holds", async () => {
    const [admin, researcher] = [await key("admin"), await key("researcher")];
    await start();
    expect((await fetch(`${server.url}/views`)).status).toBe(401);
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
    const posted = await fetch(`${server.url}/notify/main/${SENDER}`, {
      method: "POST",
      body: patient("p3", "Live"),
    });
    expect(posted.status).toBe(204);
    let asked = 0;
    const rows = async (text: string): Promise<Record<string, unknown>[]> => {
      asked++;
      const response = await get("/views/patient_demographics.json", text);
      expect(response.status).toBe(200);
      return (await response.json()) as Record<string, unknown>[];
    };
    await expect.poll(async () => (await rows(admin.key)).length, { timeout: 10_000 }).toBe(3);
    const [seen, policed] = [await rows(admin.key), await rows(researcher.key)];
    expect(seen.map(({ patient_key: one }) => one).sort()).toEqual([
      "main/Patient/p1",
      "main/Patient/p2",
      "main/Patient/p3",
    ]);
    expect(policed).toHaveLength(3);
    for (const row of policed) {
      expect(row["patient_key"]).toMatch(/^main\/Patient\/[0-9a-f]{32}$/);
      expect(Object.keys(row)).not.toContain("mrn");
      // Older than 89 on the day of the snapshot.
      expect(Number(String(row["birth_date"]).slice(0, 4))).toBeGreaterThanOrEqual(1935);
    }
    const sql = await fetch(`${server.url}/sql`, {
      method: "POST",
      headers: { Authorization: `Bearer ${researcher.key}`, "Content-Type": "application/json" },
      body: JSON.stringify({ sql: "SELECT patient_key FROM patient_demographics" }),
    });
    const bySql = (await sql.json()) as { readonly patient_key: string }[];
    expect(bySql.map((row) => row.patient_key).sort()).toEqual(
      policed.map((row) => row["patient_key"]).sort(),
    );

    await new LakeKeys(lake.store).revoke(researcher.id, new Date());
    await expect
      .poll(async () => (await get("/views", researcher.key)).status, { timeout: 10_000 })
      .toBe(401);
    await stop();
    const audit = await openAudit(lake.store.location, {});
    const secret = derivedKey(await lakeSecret(lake.store, undefined), "audit");
    const verdict = await verifyAudit(audit.stream, secret);
    expect(verdict).toMatchObject({ broken: undefined });
    expect(verdict.links).toBeGreaterThanOrEqual(6);
    const texts: string[] = [];
    for await (const { link } of audit.stream.read(1)) texts.push(link.entry);
    expect(texts.filter((text) => text.includes('"kind":"disclosed"'))).toHaveLength(asked + 1);
    expect(texts.join()).not.toContain("main/Patient");
    await audit.close();

    const copies = await journalCopies(lake, {});
    const files = await copies.take();
    expect(files.map(({ name }) => name)).toEqual(["journal.sqlite", "audit.sqlite"]);
    const copy = await openEventStore({ file: files[1]!.path });
    expect(await verifyAudit(auditStream(copy), secret)).toEqual(verdict);
    await copy.close();
    await copies.discard();
  });

  it.skipIf(!postgresAvailable())(
    "keeps the audit log in Postgres, beside the journal's tables",
    async () => {
      postgres = await startPostgres();
      const environment = { DATABASE_URL: await postgres.database() };
      const { key: text } = await key("reader");
      await start(environment);
      for (let i = 0; i < 3; i++)
        expect((await get("/views/patient_demographics.csv?limit=1", text)).status).toBe(200);
      await stop();
      const audit = await openAudit(lake.store.location, environment);
      const verdict = await verifyAudit(
        audit.stream,
        derivedKey(await lakeSecret(lake.store, undefined), "audit"),
      );
      expect(verdict).toMatchObject({ links: 6, broken: undefined });
      await audit.close();
    },
  );
});
