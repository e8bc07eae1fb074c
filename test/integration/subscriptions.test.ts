import { afterEach, describe, expect, it } from "vitest";
import { EVERYTHING_TOPIC, type FhirServer } from "../support/fhir-server/index.js";
import { FollowedLake, familiesOf, named } from "../support/followed-lake.js";

const PATH = [{ env: "TEST_PATH" }];
const HEADER = { name: "Authorization", values: [{ env: "TEST_HEADER" }] };
const TOPICS = {
  kind: "topics",
  topics: [{ topic: EVERYTHING_TOPIC }],
  heartbeat: "1s",
  grace: "300ms",
};

describe("a lake that follows a source by its notifications", { timeout: 300_000 }, () => {
  let followed: FollowedLake;
  afterEach(() => followed?.close());

  const server = (): FhirServer => followed.server as FhirServer;
  const put = (id: string, family: string): unknown => server().store.put("Patient", id, named(id, family));
  const same = async (timeoutMs = 140_000): Promise<void> => {
    await expect
      .poll(() => followed.families(), { timeout: timeoutMs, interval: 50 })
      .toEqual(familiesOf(server()));
  };
  const subscriptions = (): Record<string, unknown>[] =>
    [...server().store.live("Subscription")].map(
      ({ text }) => JSON.parse(String(text!.read())) as Record<string, unknown>,
    );

  it.each([
    ["rest-hook", { kind: "rest-hook" }],
    ["medplum", { kind: "medplum" }],
    ["r4-topics", TOPICS],
    ["r4-topics", { ...TOPICS, payload: "full-resource" }],
    ["r4-topics", { ...TOPICS, payload: "empty" }],
    ["r4b-topics", TOPICS],
    ["r5-topics", { ...TOPICS, topics: [{ topic: EVERYTHING_TOPIC, filters: ["Patient?family=F"] }] }],
  ] as const)(
    "subscribes by itself and shows creates, updates and deletes (%s, %o)",
    async (kind, subscribe) => {
      const signature = { header: "X-Signature", keys: [{ env: "TEST_HMAC" }] };
      followed = await FollowedLake.open(
        { subscriptions: { kind, secondMs: 200 } },
        { path: PATH, header: HEADER, subscribe, ...(kind === "medplum" ? { signature } : {}) },
      );
      await followed.untilState("live");
      put("p1", "F1");
      put("p2", "F2");
      await same();
      put("p1", "F1 changed");
      server().store.delete("Patient", "p2");
      await same();
      expect(await followed.families()).toEqual(["F1 changed"]);
      expect(subscriptions().every(({ status }) => status === "active")).toBe(true);
      await followed.untilState("live");
    },
    300_000,
  );

  const topics = async (
    more: Record<string, unknown> = {},
    subscriptionsOf: Record<string, unknown> = {},
  ): Promise<void> => {
    followed = await FollowedLake.open(
      { subscriptions: { kind: "r4-topics", secondMs: 200, tries: 1, ...subscriptionsOf } },
      { path: PATH, subscribe: { ...TOPICS, ...more } },
    );
    await followed.untilState("live");
  };
  const runs = async (): Promise<number> => {
    const response = await fetch(`${followed.serving.url}/ingest/runs`);
    return ((await response.json()) as { runs: unknown[] }).runs.length;
  };

  it("asks for notifications that did not come, without a run, and shows the gap until they are here", async () => {
    await topics();
    const before = await runs();
    const { subscriptions: engine, requests, faults } = server();
    faults.add({ match: { pattern: "events" }, fault: { kind: "delay", milliseconds: 1000 } });
    engine.fate = (notice) => (notice.events.some(({ number }) => number === 2) ? "drop" : "deliver");
    for (const family of ["A", "B", "C"]) {
      put(family, family);
      await engine.idle();
    }
    await followed.untilState("gap");
    await followed.untilState("live");
    expect(await followed.families()).toEqual(["A", "B", "C"]);
    const [asked] = requests.matching({ path: /\$events$/ });
    expect(asked!.query).toContain("eventsSinceNumber=2&eventsUntilNumber=2");
    expect(await runs()).toBe(before);
  });

  it("notices by a heartbeat that the last notifications are missing", async () => {
    await topics();
    const engine = server().subscriptions;
    engine.fate = (notice) => (notice.kind === "event-notification" ? "drop" : "deliver");
    put("a", "A");
    server().store.delete("Patient", "a");
    put("b", "B");
    await same();
    await followed.untilState("live");
  });

  it("runs the source where the server cannot tell again what was missed", async () => {
    await topics({}, { events: false });
    const before = await runs();
    const engine = server().subscriptions;
    engine.fate = (notice) => (notice.kind === "event-notification" ? "drop" : "deliver");
    put("a", "A");
    await followed.untilState("catching-up");
    await followed.untilState("live");
    expect(await followed.families()).toEqual(["A"]);
    expect(await runs()).toBe(before + 1);
  });

  it("asks for what changed after a run that failed had begun, although the next one resumes that", async () => {
    followed = await FollowedLake.open(
      { profile: "no-history", subscriptions: { kind: "r4-topics", secondMs: 200, tries: 1, events: false } },
      { path: PATH, subscribe: TOPICS },
      { deletes: { policy: "none" } },
    );
    await followed.untilState("live");
    const engine = server().subscriptions;
    engine.fate = (notice) => (notice.kind === "event-notification" ? "drop" : "deliver");
    // The run fails on its way: what it was to ask for, and until when, is left to the next one.
    const refusal = { kind: "status", status: 401 } as const;
    server().faults.add({ match: { method: "GET", pattern: "_sort=_lastUpdated" }, fault: refusal });
    put("a", "A");
    await expect
      .poll(async () => (await followed.state()).reason, { timeout: 60_000, interval: 50 })
      .toMatch(/The run that fetches it/);
    put("b", "B");
    await engine.idle();
    server().faults.clear();
    await followed.untilState("live");
    expect(await followed.families()).toEqual(["A", "B"]);
  });

  it("heals gaps while its Subscriptions cannot be looked at, and says that they cannot", async () => {
    await topics({ checkEvery: "1s" });
    const engine = server().subscriptions;
    const refusal = { kind: "status", status: 403 } as const;
    server().faults.add({ match: { method: "GET", pattern: "/Subscription[?]" }, fault: refusal });
    await followed.untilState("error");
    engine.fate = (notice) => (notice.events.some(({ number }) => number === 1) ? "drop" : "deliver");
    put("a", "A");
    put("b", "B");
    await same();
    expect((await followed.state()).state).toBe("error");
    server().faults.clear();
    await followed.untilState("live");
  });

  it("takes repeated and late notifications for what they are", async () => {
    await topics({ payload: "full-resource", grace: "5s" });
    const before = await runs();
    const engine = server().subscriptions;
    engine.fate = (notice, number) =>
      notice.kind !== "event-notification" ? "deliver" : number % 2 === 0 ? "twice" : "later";
    for (let n = 0; n < 12; n++) put(`p${n % 3}`, `F${n}`);
    await engine.idle();
    await engine.release();
    await same();
    expect(server().requests.matching({ path: /\$events$/ })).toEqual([]);
    expect(await runs()).toBe(before);
    expect((await followed.state()).state).toBe("live");
  });

  it.each([
    ["asks for it again", {}, 0],
    ["runs the source once", { events: false }, 1],
  ] as const)(
    "asks when nothing is heard for two heartbeats, says so until it is, and %s",
    async (_does, behaviour, more) => {
      await topics({}, behaviour);
      const before = await runs();
      const engine = server().subscriptions;
      engine.fate = () => "drop";
      put("a", "A");
      await same();
      // Before, the gap itself may be told.
      await expect
        .poll(() => followed.state(), { timeout: 60_000, interval: 50 })
        .toMatchObject({ state: "gap", reason: expect.stringMatching(/^No heartbeat/) as string });
      // Whatever is asked while it stays silent brings nothing new.
      const asked = (): number => server().requests.matching({ path: /\$status$/ }).length;
      const soFar = asked();
      await expect.poll(asked, { timeout: 60_000, interval: 50 }).toBeGreaterThan(soFar + 2);
      expect(await runs()).toBe(before + more);
      expect((await followed.state()).state).toBe("gap");
      engine.fate = () => "deliver";
      await followed.untilState("live");
      expect(await runs()).toBe(before + more);
    },
  );

  it("catches up in full when the server counts its notifications anew", async () => {
    await topics();
    const engine = server().subscriptions;
    for (const family of ["A", "B", "C"]) put(family, family);
    await same();
    engine.fate = () => "drop";
    put("d", "D");
    await engine.idle();
    engine.reset();
    engine.fate = () => "deliver";
    await same();
    await followed.untilState("live");
    put("e", "E");
    await same();
    await followed.untilState("live");
  });

  it("catches up first, then reactivates a Subscription in error, then catches up with what came between", async () => {
    await topics();
    const { subscriptions: engine, requests, store } = server();
    engine.isDown = true;
    for (const family of ["A", "B", "C"]) {
      put(family, family);
      await engine.idle();
    }
    expect(subscriptions()[0]!["status"]).toBe("error");
    // What changes between the run and the reactivation is in neither the run nor a notification.
    const stop = store.onChange(({ type, text }) => {
      const status = type === "Subscription" ? String(text?.read()) : "";
      if (!status.includes('"requested"')) return;
      stop();
      store.put("Patient", "d", named("d", "D"));
    });
    engine.isDown = false;
    await same();
    await followed.untilState("live");
    expect(await followed.families()).toEqual(["A", "B", "C", "D"]);
    const order = requests.all
      .filter(({ path, method }) => method === "PUT" || /\/Patient$/.test(path))
      .map(({ method }) => method);
    const put_ = order.indexOf("PUT");
    expect(put_).toBeGreaterThan(0);
    expect(order.slice(put_ + 1)).toContain("GET");
    expect(subscriptions()[0]!["status"]).toBe("active");
  }, 120_000);

  it("is told of nothing while it is down and has all of it once it is up again", async () => {
    await topics();
    put("a", "A");
    await same();
    await followed.stop();
    for (const family of ["B", "C", "D"]) {
      put(family, family);
      await server().subscriptions.idle();
    }
    server().store.delete("Patient", "a");
    await server().subscriptions.idle();
    await followed.start();
    await same();
    await followed.untilState("live");
    expect(subscriptions()).toHaveLength(1);
  }, 120_000);

  it("makes again what somebody removed, and leaves alone what others made", async () => {
    await topics({ checkEvery: "1s" });
    const [ours] = subscriptions();
    const foreign = { ...ours, id: "foreign" } as Record<string, unknown>;
    const channel = { ...(foreign["channel"] as object), endpoint: "http://127.0.0.1:9/notify/main/other" };
    server().store.put("Subscription", "foreign", JSON.stringify({ ...foreign, channel, status: "off" }));
    const double = { ...ours, id: "double" };
    server().store.put("Subscription", "double", JSON.stringify(double));
    server().store.delete("Subscription", String(ours!["id"]));
    await expect
      .poll(
        () =>
          subscriptions()
            .map(({ id, status }) => `${String(id)} ${String(status)}`)
            .sort(),
        {
          timeout: 60_000,
        },
      )
      .toEqual(["double active", "foreign off"]);
    put("a", "A");
    await same();
    expect(server().store.versions("Subscription", "foreign")).toHaveLength(1);
  }, 120_000);

  it("renews Subscriptions before they end", async () => {
    await topics({ lifetime: "10s", checkEvery: "1s" });
    const first = String(subscriptions()[0]!["end"]);
    await expect.poll(() => String(subscriptions()[0]!["end"]), { timeout: 60_000 }).not.toBe(first);
    await followed.untilState("live");
    put("a", "A");
    await same();
  }, 120_000);
});

describe("a lake that polls a source", { timeout: 300_000 }, () => {
  let followed: FollowedLake;
  afterEach(() => followed?.close());
  const server = (): FhirServer => followed.server as FhirServer;
  const same = async (): Promise<void> => {
    await expect
      .poll(() => followed.families(), { timeout: 60_000, interval: 50 })
      .toEqual(familiesOf(server()));
  };

  it.each(["full", "hapi-like"] as const)(
    "shows creates, updates and deletes of a server that notifies nobody (%s)",
    async (profile) => {
      followed = await FollowedLake.open({ profile }, { poll: { every: "200ms", overlap: "5s" } });
      await followed.untilState("live");
      const { store } = server();
      for (const family of ["A", "B", "C"]) store.put("Patient", family, named(family, family));
      await same();
      store.put("Patient", "A", named("A", "A changed"));
      store.delete("Patient", "B");
      await same();
      const head = await followed.serving.live!.journal.head();
      await new Promise((resolve) => setTimeout(resolve, 1000));
      // Looking again and again brings nothing twice.
      expect(await followed.serving.live!.journal.head()).toBe(head);
    },
    300_000,
  );

  it("goes on after the source was away, and says that it is", async () => {
    followed = await FollowedLake.open({ profile: "no-history" }, { poll: { every: "200ms" } });
    await followed.untilState("live");
    server().faults.add({ match: { method: "GET" }, fault: { kind: "status", status: 500 } });
    server().store.put("Patient", "a", named("a", "A"));
    await followed.untilState("error", 40_000);
    server().faults.clear();
    await same();
    await followed.untilState("live");
  }, 120_000);
});
