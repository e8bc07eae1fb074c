import { describe, expect, it } from "vitest";
import { batchHours } from "../era.js";
import { chartTexts } from "../render/chart.js";
import { tellLife } from "../story/life.js";
import { truthOf } from "../truth.js";
import { deletionBundle, newcomers } from "./batch-folder.js";
import { isTouched, type NightChanges, tellNight } from "./night.js";

const SEED = 4;
const BATCHES = 12;
const RENDER = { meta: true };

interface Meta {
  readonly meta: { readonly versionId: string; readonly lastUpdated: string };
}

/** A patient's record with all batches that touch it, told in order. */
function history(index: number) {
  const chart = tellLife(SEED, index, 0.6);
  const base = chartTexts(chart, RENDER);
  const nights: { readonly batch: number; readonly changes: NightChanges }[] = [];
  for (let batch = 1; batch <= BATCHES; batch++) {
    if (isTouched(SEED, index, batch)) nights.push({ batch, changes: tellNight(chart, batch, RENDER) });
  }
  return { chart, base, nights, final: chartTexts(chart, RENDER) };
}

const histories = Array.from({ length: 60 }, (_, index) => history(index));
const changes = histories.flatMap(({ nights }) => nights.map((night) => night.changes));

describe("nightly batches", () => {
  it("lead from the base record to the final one, each resource changed or deleted once a night", () => {
    for (const { base, nights, final } of histories) {
      const state = new Map(base.map(({ type, id, text }) => [`${type}/${id}`, text]));
      for (const { changes: night } of nights) {
        const named = [...night.upserts, ...night.deletions].map(({ type, id }) => `${type}/${id}`);
        expect(new Set(named).size).toBe(named.length);
        for (const { type, id, text } of night.upserts) state.set(`${type}/${id}`, text);
        for (const { type, id } of night.deletions) expect(state.delete(`${type}/${id}`)).toBe(true);
      }
      expect(new Map(final.map(({ type, id, text }) => [`${type}/${id}`, text]))).toEqual(state);
    }
  });

  it("raise the version of what they change and store it within their hours", () => {
    for (const { base, nights } of histories) {
      const versions = new Map(
        base.map(({ type, id, text }) => [`${type}/${id}`, (JSON.parse(text) as Meta).meta]),
      );
      for (const { batch, changes: night } of nights) {
        const { from, to } = batchHours(batch);
        for (const { type, id, text } of night.upserts) {
          const { meta } = JSON.parse(text) as Meta;
          const before = versions.get(`${type}/${id}`);
          expect(Number(meta.versionId)).toBeGreaterThan(Number(before?.versionId ?? 0));
          expect(Date.parse(meta.lastUpdated)).toBeGreaterThanOrEqual(from * 1000);
          expect(Date.parse(meta.lastUpdated)).toBeLessThan(to * 1000);
          versions.set(`${type}/${id}`, meta);
        }
      }
    }
  });

  it("echo only what is known already: the same version again, or an older one", () => {
    let count = 0;
    for (const { base, nights } of histories) {
      const newest = new Map(
        base.map(({ id, text }) => [id, Number((JSON.parse(text) as Meta).meta.versionId)]),
      );
      for (const { changes: night } of nights) {
        for (const { id, text } of night.upserts)
          newest.set(id, Number((JSON.parse(text) as Meta).meta.versionId));
        for (const { id, text } of night.echoes) {
          count++;
          expect(Number((JSON.parse(text) as Meta).meta.versionId)).toBeLessThanOrEqual(newest.get(id)!);
        }
      }
    }
    expect(count).toBeGreaterThan(0);
  });

  it("leave no reference dangling", () => {
    for (const { final } of histories) {
      const own = new Set(final.map(({ type, id }) => `${type}/${id}`));
      const shared = /^(Organization|Practitioner|PractitionerRole|Location)\//;
      for (const { text } of final) {
        for (const [, reference] of text.matchAll(/"reference":"([^"]+)"/g)) {
          if (!shared.test(reference!) && !reference!.startsWith("#")) expect(own).toContain(reference);
        }
      }
    }
  });

  it("bring new, changed and deleted resources, about 1 % of the population a night", () => {
    const resources = histories.reduce((sum, { base }) => sum + base.length, 0);
    const changed = changes.reduce(
      (sum, { upserts, deletions }) => sum + upserts.length + deletions.length,
      0,
    );
    const share = changed / BATCHES / resources;
    expect(share).toBeGreaterThan(0.004);
    expect(share).toBeLessThan(0.02);
    expect(changes.some(({ deletions }) => deletions.length > 0)).toBe(true);
    const versions = changes.flatMap(({ upserts }) =>
      upserts.map(({ text }) => (JSON.parse(text) as Meta).meta.versionId),
    );
    expect(versions).toContain("1");
    expect(versions.some((version) => version !== "1")).toBe(true);
  });

  it("are the same when told again, and touch no patient whom they do not name", () => {
    const again = history(7);
    expect(again.final).toEqual(histories[7]!.final);
    expect(truthOf(again.chart)).toEqual(truthOf(histories[7]!.chart));
    const untouched = histories.filter(({ nights }) => nights.length === 0);
    for (const { base, final } of untouched) expect(final).toEqual(base);
  });
});

describe("newcomers and deletions", () => {
  it("gives each batch people of its own", () => {
    const first = newcomers(2500, 1, 10_000_000);
    const second = newcomers(2500, 2, 10_000_000);
    expect(first).toHaveLength(3);
    expect(new Set([...first, ...second]).size).toBe(6);
  });

  it("writes deletions as a transaction of DELETE requests", () => {
    const text = deletionBundle("b-1", Date.UTC(2025, 0, 2), [{ type: "Claim", id: "c" }], RENDER);
    expect(JSON.parse(text)).toEqual({
      resourceType: "Bundle",
      id: "b-1",
      meta: { lastUpdated: "2025-01-02T00:00:00.000Z" },
      type: "transaction",
      timestamp: "2025-01-02T00:00:00.000Z",
      entry: [{ request: { method: "DELETE", url: "Claim/c" } }],
    });
  });
});
