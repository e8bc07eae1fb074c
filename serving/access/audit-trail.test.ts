import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AUDIT_KEY, createGuardedApp, memoryAudit } from "../../test/support/guarded-app.js";
import { everyType } from "../../test/support/parquet-lake.js";
import { type AuditEntry, type AuditLink, AuditTrail, verifyAudit } from "./audit-trail.js";

const entry = (n: number): AuditEntry => ({
  kind: "disclosed",
  at: new Date(1_790_000_000_000 + n).toISOString(),
  request: `request-${n}`,
  answer: `answer-${n}`,
  caller: { id: "key:0123456789ab", kind: "key", role: "reader" },
  rows: n,
});

async function chainOf(length: number): Promise<AuditLink[]> {
  const links: AuditLink[] = [];
  const trail = new AuditTrail(memoryAudit(links), AUDIT_KEY);
  for (let n = 0; n < length; n++) await trail.append(entry(n));
  return links;
}

const verdict = async (links: readonly AuditLink[], key = AUDIT_KEY) =>
  await verifyAudit(memoryAudit([...links]), key);

describe("The audit log", () => {
  it("holds when nothing was done to it, and tells its head", async () => {
    const links = await chainOf(5);
    expect(await verdict(links)).toEqual({ links: 5, head: links[4]!.hash, broken: undefined });
    expect(await verdict([])).toMatchObject({ links: 0, broken: undefined });
  });

  it("shows every change of a link, and any that was taken out, put in or moved", async () => {
    const links = await chainOf(12);
    const spoiled = fc.oneof(
      fc
        .tuple(
          fc.nat(11),
          fc.constantFrom("entry", "hash", "previous") as fc.Arbitrary<keyof AuditLink>,
          fc.nat(),
          fc.nat(255),
        )
        .map(([at, member, where, by]) => {
          const text = links[at]![member];
          const place = where % text.length;
          const other = String.fromCharCode(((text.charCodeAt(place) + 1 + by) % 94) + 33);
          const changed = text.slice(0, place) + other + text.slice(place + 1);
          return links.map((link, i) => (i === at ? { ...link, [member]: changed } : link));
        }),
      fc.nat(10).map((at) => links.filter((_, i) => i !== at)),
      fc.tuple(fc.nat(11), fc.nat(11)).map(([a, b]) => {
        const moved = [...links];
        [moved[a], moved[b]] = [moved[b]!, moved[a]!];
        return moved;
      }),
      fc.tuple(fc.nat(11), fc.nat(11)).map(([a, b]) => links.toSpliced(a, 0, links[b]!)),
    );
    let found = 0;
    await fc.assert(
      fc.asyncProperty(spoiled, async (chain) => {
        const same = JSON.stringify(chain) === JSON.stringify(links);
        const { broken } = await verdict(chain);
        expect(broken === undefined).toBe(same);
        if (!same) found++;
      }),
      { seed: 31, numRuns: 1500 },
    );
    expect(found).toBeGreaterThan(1000);
  });

  it("cannot be made anew without its key, and shows what was cut off by a head noted before", async () => {
    const links = await chainOf(4);
    expect((await verdict(links, new Uint8Array(randomBytes(32)))).broken?.link).toBe(1);
    const cut = await verdict(links.slice(0, 3));
    expect(cut.broken).toBeUndefined();
    expect(cut.head).not.toBe((await verdict(links)).head);
  });

  it("is one chain when several processes write to it at a time", async () => {
    const links: AuditLink[] = [];
    const writers = Array.from({ length: 4 }, () => new AuditTrail(memoryAudit(links), AUDIT_KEY));
    await Promise.all(Array.from({ length: 400 }, (_, n) => writers[n % 4]!.append(entry(n))));
    expect(links).toHaveLength(400);
    expect((await verdict(links)).broken).toBeUndefined();
    const requests = links.map((link) => (JSON.parse(link.entry) as AuditEntry).request);
    expect(new Set(requests).size).toBe(400);
  });
});

describe("A server that records", () => {
  it("writes one record before each answer with rows, with names plain and values as digests, and how it ended after it", async () => {
    const guarded = await createGuardedApp({ views: [everyType] });
    const key = guarded.key("reader");
    const response = await guarded.get("/views/every_type.csv?gender=eq.female&select=gender&limit=7", key, {
      "X-Lake-Purpose": "study 12",
      "X-Request-Id": "mine",
    });
    await response.text();
    const [first, last] = guarded.entries();
    expect(first).toMatchObject({
      kind: "disclosed",
      request: "mine",
      caller: { id: `key:${key.slice(9, 21)}`, kind: "key", role: "reader" },
      purpose: "study 12",
      method: "GET",
      route: "/views/:view",
      target: { view: "every_type.csv" },
      snapshot: 1,
      status: 200,
      rows: 2,
    });
    expect(first!.question).toEqual({
      gender: [expect.stringMatching(/^eq\.#[0-9a-f]{24}$/)],
      select: ["gender"],
      limit: ["7"],
    });
    expect(last).toMatchObject({
      kind: "ended",
      request: "mine",
      answer: first!.answer,
      rows: 2,
      complete: true,
    });
    expect(guarded.links).toHaveLength(2);
    await guarded.get("/views", key);
    await guarded.get("/views/nothing", key);
    await guarded.get("/views/every_type", key, { "If-None-Match": "*" });
    expect(guarded.links).toHaveLength(2);
    await guarded.get("/ingest/runs", key);
    expect(guarded.entries().at(-1)).toMatchObject({ kind: "refused", status: 403, route: "/ingest/runs" });
    await guarded.close();
  });

  it("answers nothing that it cannot record, and changes nothing", async () => {
    const guarded = await createGuardedApp({ views: [everyType] });
    const key = guarded.key("admin");
    guarded.auditFails = true;
    const refused = await guarded.get("/views/every_type.csv", key);
    expect(refused.status).toBe(503);
    expect(refused.headers.get("Retry-After")).not.toBeNull();
    expect(await refused.text()).not.toContain("Patient/1");
    const put = await guarded.app.request("http://localhost/cohorts/x", {
      method: "PUT",
      headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" },
      body: "{}",
    });
    expect(put.status).toBe(503);
    expect((await guarded.get("/views", key)).status).toBe(200);
    guarded.auditFails = false;
    expect((await guarded.get("/views/every_type.csv", key)).status).toBe(200);
    expect((await verifyAudit(memoryAudit(guarded.links), AUDIT_KEY)).broken).toBeUndefined();
    expect(guarded.lake.held()).toBe(0);
    await guarded.close();
  });
});
