import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadDefinitions } from "#fhir";
import { ChangeReader, createFhirHttp, type FhirHttp } from "#ingestion";
import { instantOfMs, type NewChange, type OrderPolicy } from "#landing";
import { Look, type Looked } from "../../src/app/fetch-back/look.js";
import type { LakeServer } from "../../src/app/serve.js";
import { type FhirServer, type FhirServerOptions, startFhirServer } from "../support/fhir-server/index.js";
import { named } from "../support/followed-lake.js";
import { NOTIFY_SECRET, serveLive } from "../support/serve-live.js";
import { SourceLake } from "../support/source-lake.js";

describe("reading back what notifications only name", { timeout: 60_000 }, () => {
  let server: FhirServer;
  let other: FhirServer;
  let lake: SourceLake;
  let serving: LakeServer;
  const https: FhirHttp[] = [];
  const errors: unknown[] = [];

  beforeEach(async () => {
    server = await startFhirServer({ export: { retryAfter: 0 } });
    other = await startFhirServer();
    lake = await SourceLake.open({ url: server.url, kind: "bulk", types: ["Patient"] }, { views: true });
    await lake.run();
    const clients = new Map(
      [server, other].map(({ url }, index) => {
        const http = createFhirHttp({ baseUrl: url, auth: { kind: "none" }, maxAttempts: 1 });
        https.push(http);
        return [index === 0 ? "main" : "main2", http] as const;
      }),
    );
    const sender = (source: string) => ({ source, policy: "time" as const, pathSecrets: [NOTIFY_SECRET] });
    serving = await serveLive(lake.lake, lake.context.views, {
      live: {
        senders: new Map([...clients.keys()].map((source) => [source, sender(source)])),
        fetchBack: {
          sources: [...clients.keys()],
          source: (name) => ({ policy: "time", http: clients.get(name as "main")! }),
        },
      },
    });
  });
  afterEach(async () => {
    await serving.close();
    await lake.close();
    for (const http of https.splice(0)) await http.close();
    await server.close();
    await other.close();
    errors.length = 0;
  });

  /** Names resources in a topic's notification without showing them. */
  const name = async (source: string, ...ids: readonly string[]): Promise<void> => {
    const status = {
      resourceType: "SubscriptionStatus",
      type: "event-notification",
      subscription: { reference: "Subscription/s1" },
      notificationEvent: ids.map((id, index) => ({
        eventNumber: String(index + 1),
        focus: { reference: `Patient/${id}` },
      })),
    };
    const body = JSON.stringify({ resourceType: "Bundle", type: "history", entry: [{ resource: status }] });
    const response = await fetch(`${serving.url}/notify/${source}/${NOTIFY_SECRET}`, {
      method: "POST",
      body,
    });
    expect(response.status).toBe(204);
  };
  const families = async (): Promise<string[]> => {
    const response = await fetch(`${serving.url}/views/patient_names.csv?select=family`);
    const [, ...rows] = (await response.text()).trim().split(/\r?\n/);
    return rows.sort();
  };
  const shows = async (...wanted: readonly string[]): Promise<void> =>
    void (await expect.poll(families, { timeout: 30_000, interval: 50 }).toEqual(wanted));
  const events = async (stream: string): Promise<{ type: string; data: unknown }[]> => {
    const found = [];
    for await (const { type, data } of serving.live!.journal.readStream(stream, 1))
      found.push({ type, data });
    return found.filter(({ type }) => type !== "subscription-status");
  };

  it("asks a second time for what a lagging replica does not have yet", async () => {
    server.faults.add({
      match: { pattern: "Patient/new" },
      occurrences: [1],
      fault: { kind: "status", status: 404 },
    });
    server.store.put("Patient", "new", named("new", "New"));
    await name("main", "new");
    await shows("New");
    expect(await events("subscription/main")).toEqual([]);
  });

  it("makes a run due for what it cannot find, may not read or is refused, and reads the rest", async () => {
    server.faults.add({ match: { pattern: "Patient/hidden" }, fault: { kind: "status", status: 403 } });
    server.faults.add({ match: { pattern: "Patient/refused" }, fault: { kind: "status", status: 400 } });
    server.faults.add({ match: { pattern: "Patient/broken" }, fault: { kind: "status", status: 500 } });
    for (const id of ["absent", "hidden", "refused", "broken", ".."]) {
      await name("main", id);
      await name("main", `beside-${id}`);
      server.store.put("Patient", `beside-${id}`, named(`beside-${id}`, `Beside ${id}`));
    }
    await shows("Beside ..", "Beside absent", "Beside broken", "Beside hidden", "Beside refused");
    await expect
      .poll(async () => (await events("subscription/main")).map(({ type }) => type), { timeout: 20_000 })
      .toContain("window-dirty");
  });

  it("keeps what cannot be stored as a dead letter, and goes on", async () => {
    const text = { search: '"family":"Bad"', replacement: '"family":{"not":"a string"}' };
    server.faults.add({ match: { pattern: "Patient/bad" }, fault: { kind: "replace-text", ...text } });
    server.store.put("Patient", "bad", named("bad", "Bad"));
    server.store.put("Patient", "good", named("good", "Good"));
    await name("main", "bad");
    await name("main", "good");
    await shows("Good");
    expect(await events("dead-letter/main")).toMatchObject([
      { type: "notification-refused", data: { sender: "main", code: "wrong-kind" } },
    ]);
  });

  it("does not let a source that is down keep another one's resources from being read", async () => {
    server.faults.add({ match: { method: "GET" }, fault: { kind: "status", status: 500 } });
    server.store.put("Patient", "a", named("a", "A"));
    other.store.put("Patient", "b", named("b", "B"));
    await name("main", "a");
    await name("main2", "b");
    await shows("B");
    server.faults.clear();
    await shows("A", "B");
  });
});

describe("the place of a delete that is read back", { timeout: 60_000 }, () => {
  const AHEAD_MS = 3_600_000;
  const definitions = loadDefinitions("4.0.1");
  const reader = new ChangeReader(definitions, { maxDepth: 64 });
  let server: FhirServer;
  let http: FhirHttp;
  afterEach(async () => {
    await http.close();
    await server.close();
  });

  const open = async (options: FhirServerOptions): Promise<void> => {
    server = await startFhirServer(options);
    http = createFhirHttp({ baseUrl: server.url, auth: { kind: "none" } });
  };
  /** Where only headers tell the time they do so in seconds. */
  const aSecond = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1100));
  const clockOf = (text: string, policy: OrderPolicy): string =>
    reader.update(Buffer.from(text), {
      source: "main",
      policy,
      receivedAt: instantOfMs(Date.now() + AHEAD_MS),
      sequence: 0,
    }).clock;
  /** Reads `Patient/p` back with a clock of ours that runs an hour ahead. */
  const look = async (
    policy: OrderPolicy,
    order: string | undefined,
    type = "Patient",
  ): Promise<Looked | undefined> =>
    new Look({
      name: "main",
      source: { policy, http },
      reader,
      knownOrder: async () => order,
      context: async () => ({ receivedAt: instantOfMs(Date.now() + AHEAD_MS), sequence: 0 }),
      signal: new AbortController().signal,
    }).at({ type, id: "p" }, true);
  const changeOf = (looked: Looked | undefined): NewChange => {
    if (looked?.kind !== "change") throw new Error(`not a change: ${looked?.kind}`);
    return looked.change;
  };

  it.each([
    ["time", {}],
    ["version", {}],
    ["time", { history: [] }],
  ] as const)(
    "is above what was deleted and below what is created again (by %s, %o)",
    async (policy, changes) => {
      await open({ changes });
      server.store.put("Patient", "p", named("p", "First"));
      server.store.put("Patient", "p", named("p", "Second"));
      const second = clockOf(String(server.store.versions("Patient", "p").at(-1)!.text!.read()), policy);
      await aSecond();
      server.store.delete("Patient", "p");
      // Nothing was known of it here: the second version's notification comes late.
      const deleted = changeOf(await look(policy, undefined));
      expect(deleted).toMatchObject({ kind: "D", id: "p" });
      await aSecond();
      const again = server.store.put("Patient", "p", named("p", "Again"));
      const created = clockOf(String(again.text!.read()), policy);
      expect([created, deleted.clock, second].sort()).toEqual([second, deleted.clock, created]);
    },
  );

  it("is refused for good where FHIR has no such type", async () => {
    await open({});
    server.faults.add({ match: { pattern: "Nobody" }, fault: { kind: "status", status: 410 } });
    expect(await look("time", undefined, "Nobody")).toMatchObject({
      kind: "refused",
      rejection: { code: "unknown-resource-type" },
    });
  });

  it("is just above what is known where the server tells neither version nor history", async () => {
    await open({ changes: { history: [] } });
    const known = server.store.put("Patient", "p", named("p", "Known"));
    const order = clockOf(String(known.text!.read()), "version");
    server.store.delete("Patient", "p");
    const deleted = changeOf(await look("version", `${order}${"0".repeat(30)}`));
    expect(deleted.clock).toBe(order);
  });
});
