import { describe, expect, it } from "vitest";
import { readSubscription } from "./found.js";
import { newEnd, planSubscriptions } from "./plan.js";
import { type SubscribeSettings, TAG_SYSTEM, wantedSubscriptions } from "./wanted.js";

const SETTINGS: SubscribeSettings = {
  source: "hospital",
  dialect: "rest-hook",
  endpointBase: "https://lake.example/notify/hospital/",
  pathSecret: "secret-one",
  criteria: ["Patient?", "Observation?code=1234"],
  topics: [],
  payload: "full-resource",
  heartbeatSeconds: 60,
  maxCount: 20,
  deletes: true,
};
const TOPICS = [{ topic: "http://example.org/t", filters: ["Patient?family=A", "Patient?gender=male"] }];
const NOW = Date.parse("2026-01-01T00:00:00Z");
const FOREVER = { nowMs: NOW, lifetimeMs: undefined };

/** What the server has after everything wanted was created and activated. */
function standing(settings: SubscribeSettings, end?: string): Record<string, unknown>[] {
  return wantedSubscriptions(settings).map((wanted, i) => ({
    ...wanted.resource({ id: `s${i}`, end }),
    status: "active",
  }));
}

function plan(
  settings: SubscribeSettings,
  resources: readonly Record<string, unknown>[],
  when: Parameters<typeof planSubscriptions>[2] = FOREVER,
): string[] {
  const found = resources.map((resource) => readSubscription(resource, settings));
  return planSubscriptions(wantedSubscriptions(settings), found, when).map((action) => {
    const id = action.kind === "create" ? "" : ` ${action.found.id}`;
    return `${action.kind}${action.kind === "update" ? ` (${action.why})` : ""}${id}`;
  });
}

describe.each([
  ["rest-hook", SETTINGS],
  ["medplum", { ...SETTINGS, dialect: "medplum", signatureKey: "k" }],
  ["r4-topics", { ...SETTINGS, dialect: "r4-topics", topics: TOPICS, payload: "id-only" }],
  ["r4b-topics", { ...SETTINGS, dialect: "r4b-topics", topics: TOPICS, payload: "empty" }],
  ["r5-topics", { ...SETTINGS, dialect: "r5-topics", topics: TOPICS, payload: "id-only" }],
] as const)("Subscriptions in the form of %s", (_, settings: SubscribeSettings) => {
  it("are created once, and what stands as wanted is kept", () => {
    const wanted = wantedSubscriptions(settings);
    expect(plan(settings, [])).toEqual(wanted.map(() => "create"));
    expect(plan(settings, standing(settings))).toEqual(wanted.map((_one, i) => `keep s${i}`));
  });

  it("are written again when a secret changed, also where the server hides headers", () => {
    const before = standing({ ...settings, header: { name: "Authorization", value: "old" } });
    const hidden = before.map((resource) => {
      const { header: _header, ...channel } = (resource["channel"] ?? {}) as Record<string, unknown>;
      const { parameter: _parameter, ...rest } = resource;
      return resource["channel"] === undefined ? rest : { ...rest, channel };
    });
    const now = { ...settings, header: { name: "Authorization", value: "new" } };
    expect(plan(now, hidden)).toEqual(before.map((_one, i) => `update (changed) s${i}`));
    const moved = { ...settings, pathSecret: "secret-two" };
    expect(plan(moved, standing(settings))).toEqual(before.map((_one, i) => `update (changed) s${i}`));
  });

  it("are renewed when half of their time is over", () => {
    const when = { nowMs: NOW, lifetimeMs: 3_600_000 };
    const resources = standing(settings, newEnd(when));
    expect(plan(settings, resources, { ...when, nowMs: NOW + 1_700_000 })[0]).toBe("keep s0");
    expect(plan(settings, resources, { ...when, nowMs: NOW + 1_900_000 })[0]).toBe("update (renew) s0");
    expect(plan(settings, standing(settings), when)[0]).toBe("update (renew) s0");
  });

  it("are reactivated when the server ended them, and left while it still thinks", () => {
    for (const status of ["error", "off"]) {
      const resources = standing(settings).map((resource) => ({ ...resource, status }));
      expect(plan(settings, resources)[0]).toBe("reactivate s0");
    }
    const asked = standing(settings).map((resource) => ({ ...resource, status: "requested" }));
    expect(plan(settings, asked)[0]).toBe("keep s0");
  });

  it("are never touched where they are not ours, and removed where they are and nobody wants them", () => {
    const elsewhere = standing({ ...settings, endpointBase: "https://other.example/notify/hospital/" });
    const nearly = standing({ ...settings, endpointBase: "https://lake.example/notify/hospital2/" });
    const foreign = [...elsewhere, ...nearly].map((resource, i) => ({ ...resource, id: `f${i}` }));
    const actions = plan(settings, [...standing(settings), ...foreign]);
    expect(actions.every((action) => action.startsWith("keep s"))).toBe(true);
    const twice = standing(settings).map((resource, i) => ({ ...resource, id: `t${i}`, status: "error" }));
    const [first] = plan(settings, [...twice, ...standing(settings)]).filter((a) => a.startsWith("remove"));
    expect(first).toBe("remove t0");
    const none = { ...settings, criteria: [], topics: [] };
    expect(plan(none, standing(settings)).every((action) => action.startsWith("remove s"))).toBe(true);
  });

  it("are found by their tag after the address changed, only where the configuration names it", () => {
    const tagged = { ...settings, tag: "lake-7" };
    const moved = { ...tagged, endpointBase: "https://new.example/notify/hospital/" };
    expect(standing(tagged)[0]!["meta"]).toMatchObject({ tag: [{ system: TAG_SYSTEM, code: "lake-7" }] });
    expect(plan(moved, standing(tagged))[0]).toBe("update (changed) s0");
    expect(plan({ ...moved, tag: undefined }, standing(tagged))[0]).toBe("create");
  });
});
