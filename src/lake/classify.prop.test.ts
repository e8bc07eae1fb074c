import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Connection, quoteLiteral } from "#duckdb";
import { type Classification, classify } from "./classify.js";
import { Lake } from "./lake.js";

let folder: string;
let lake: Lake;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "fhir-lake-classify-"));
  lake = await Lake.open({ location: folder });
});

afterAll(async () => {
  await lake.close();
  await rm(folder, { recursive: true, force: true });
});

interface Version {
  readonly key: number;
  readonly order: number;
  readonly text: number;
  readonly kind: "U" | "D";
}

function relationOf(versions: readonly Version[]): string {
  const rows = versions.map(({ key, order, text, kind }) => {
    const uuid = `00000000-0000-0000-0000-${String(key).padStart(12, "0")}`;
    const orderKey = `${String(order).padStart(8, "0")}${kind}${String(text).padStart(32, "0")}`;
    return `(${[uuid, orderKey, kind, "2026", "1"].map(quoteLiteral).join(", ")})`;
  });
  return `(SELECT * FROM (VALUES ${rows.join(", ")}) AS v("key", "order", kind, last_updated, version))`;
}

/** What is decided when so many versions at most are compared at once. */
async function decided(
  connection: Connection,
  versions: readonly Version[],
  foldRows: number,
): Promise<{ readonly found: Classification; readonly stored: unknown }> {
  const limited = Object.create(lake, { foldRows: { value: foldRows } }) as Lake;
  const incoming = { relation: relationOf(versions), rows: versions.length };
  const found = await classify(limited, connection, incoming, undefined);
  return {
    found,
    stored: await connection.rows("SELECT key::VARCHAR AS key, ord FROM to_store ORDER BY ALL"),
  };
}

it("decides alike whether versions are compared all at once or a part of the keys after the other", async () => {
  const version = fc.record({
    key: fc.nat(8),
    order: fc.nat(20),
    text: fc.nat(3),
    kind: fc.constantFrom("U" as const, "D" as const),
  });
  const versions = fc.array(version, { minLength: 1, maxLength: 40 });
  await lake.database.with(async (connection) => {
    const property = fc.asyncProperty(versions, fc.integer({ min: 1, max: 39 }), async (all, rows) => {
      const once = await decided(connection, all, all.length);
      expect(await decided(connection, all, rows)).toEqual(once);
      const greatest = new Map<number, number>();
      for (const { key, order } of all) greatest.set(key, Math.max(order, greatest.get(key) ?? 0));
      expect(once.found.stored).toBe(greatest.size);
    });
    await fc.assert(property, { numRuns: 40, seed: 20261122 });
  });
});
