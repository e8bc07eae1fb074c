import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EVERYTHING_TOPIC, type Fate, type FhirServer } from "../support/fhir-server/index.js";
import { FollowedLake, familiesOf, named } from "../support/followed-lake.js";

/** Scripts per kind of notification; a full run takes ten or more. */
const RUNS = Number(process.env["FHIR_LAKE_FOLLOW_RUNS"] ?? 1);
const SEED = Number(process.env["FHIR_LAKE_FOLLOW_SEED"] ?? 20261121);

type Step =
  | { readonly kind: "put" | "delete"; readonly id: number }
  /** What happens to the notifications from here on, over and over. */
  | { readonly kind: "fates"; readonly fates: readonly Fate[] }
  | { readonly kind: "down"; readonly isDown: boolean }
  | { readonly kind: "reset" | "restart" | "pause" | "flush" };

const id = fc.integer({ min: 0, max: 5 });
const fate = fc.constantFrom<Fate>("deliver", "drop", "twice", "later");
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ kind: fc.constant("put" as const), id }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("delete" as const), id }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("fates" as const),
      fates: fc.array(fate, { minLength: 1, maxLength: 6 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("down" as const), isDown: fc.boolean() }) },
  { weight: 2, arbitrary: fc.constant<Step>({ kind: "pause" }) },
  { weight: 1, arbitrary: fc.constant<Step>({ kind: "flush" }) },
  { weight: 1, arbitrary: fc.constant<Step>({ kind: "reset" }) },
  { weight: 1, arbitrary: fc.constant<Step>({ kind: "restart" }) },
);
const script = fc.array(step, { minLength: 5, maxLength: 40 });

const KINDS = [
  ["r4-topics", "id-only", {}],
  ["r4-topics", "full-resource", { events: false }],
  ["r5-topics", "id-only", { status: false }],
  ["rest-hook", "full-resource", {}],
  ["medplum", "full-resource", {}],
] as const;

describe.each(KINDS)("a lake that follows %s (%s, %o)", (kind, payload, behaviour) => {
  let followed: FollowedLake;
  let writes = 0;
  const topics = { kind: "topics", topics: [{ topic: EVERYTHING_TOPIC }], heartbeat: "1s", grace: "200ms" };

  beforeAll(async () => {
    const byTopic = kind.endsWith("-topics");
    followed = await FollowedLake.open(
      { subscriptions: { kind, secondMs: 150, tries: 1, retryMs: 1, failuresToError: 3, ...behaviour } },
      {
        path: [{ env: "TEST_PATH" }],
        subscribe: { ...(byTopic ? topics : { kind, catchUpEvery: "2s" }), payload, checkEvery: "2s" },
      },
    );
    await followed.untilState("live");
  }, 60_000);
  afterAll(() => followed?.close());

  const apply = async (one: Step): Promise<void> => {
    const { store, subscriptions } = followed.server as FhirServer;
    switch (one.kind) {
      case "put":
        store.put("Patient", `p${one.id}`, named(`p${one.id}`, `F${++writes}`));
        return;
      case "delete":
        store.delete("Patient", `p${one.id}`);
        return;
      case "fates":
        subscriptions.fate = (_notice, number) => one.fates[number % one.fates.length]!;
        return;
      case "down":
        subscriptions.isDown = one.isDown;
        return;
      case "reset":
        return subscriptions.reset();
      case "restart":
        await followed.stop();
        return followed.start();
      case "flush":
        return followed.serving.live!.flush();
      case "pause":
        return void (await new Promise((resolve) => setTimeout(resolve, 300)));
    }
  };

  it(`is equal to the server after whatever was lost, repeated, late or refused has been healed (${RUNS} scripts)`, async () => {
    await fc.assert(
      fc.asyncProperty(script, async (steps) => {
        const { subscriptions } = followed.server as FhirServer;
        for (const one of steps) await apply(one);
        subscriptions.isDown = false;
        subscriptions.fate = () => "deliver";
        await subscriptions.release();
        await expect
          .poll(() => followed.families(), { timeout: 60_000, interval: 100 })
          .toEqual(familiesOf(followed.server as FhirServer));
        await followed.untilState("live", 60_000);
        // What says that it is live is live: nothing changes any more.
        expect(await followed.families()).toEqual(familiesOf(followed.server as FhirServer));
      }),
      { seed: SEED, numRuns: RUNS, endOnFailure: true },
    );
  }, 3_600_000);
});
