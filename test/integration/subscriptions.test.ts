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

describe("a lake that follows a source by its notifications", () => {
  let followed: FollowedLake;
  afterEach(() => followed?.close());

  const server = (): FhirServer => followed.server as FhirServer;
  const put = (id: string, family: string): unknown => server().store.put("Patient", id, named(id, family));
  const same = async (timeoutMs = 15_000): Promise<void> => {
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
    40_000,
  );
});
