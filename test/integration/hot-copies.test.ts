import { mkdir, mkdtemp, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { Database } from "#duckdb";
import type { Snapshot, ViewState } from "#lake";
import {
  createQuery,
  HotCopies,
  type HotCopiesOptions,
  type LakeCatalog,
  lakeCatalog,
  type PageOptions,
  type Position,
  type QueryService,
  type ViewQuestion,
} from "#query";
import { ingestNdjson } from "../../src/app/ingest.js";
import { filesBelow } from "../support/canary-scan.js";
import { bytesOf } from "../support/result-bytes.js";
import { type ServedPopulation, servedPopulation } from "../support/served-population.js";

let population: ServedPopulation;
let database: Database;
let head: Snapshot;
let scratch: string;
let made = 0;
const open: HotCopies[] = [];

/** Some patients and observations once more, changed: views then have a base and a layer over it that replaces some of its rows. */
async function change(): Promise<void> {
  const folder = path.join(population.folder, "changed");
  await mkdir(folder);
  for (const type of ["Patient", "Observation"]) {
    const text = await readFile(path.join(population.folder, "population", `${type}.ndjson`), "utf8");
    const lines = text.split("\n").slice(0, 7);
    const changed = lines.map((line) => {
      const resource = JSON.parse(line) as Record<string, unknown>;
      const meta = { ...(resource["meta"] as object), lastUpdated: "2031-01-01T00:00:00Z" };
      return JSON.stringify({ ...resource, meta, language: "en", birthDate: undefined });
    });
    await writeFile(path.join(folder, `${type}.ndjson`), `${changed.join("\n")}\n`);
  }
  await ingestNdjson(population.lake, {
    inputs: [folder],
    source: "main",
    policy: "time",
    views: population.views,
  });
}

beforeAll(async () => {
  population = await servedPopulation(25);
  await change();
  head = await population.lake.head();
  scratch = await mkdtemp(path.join(tmpdir(), "fhir-lake-hot-"));
  database = await Database.open({ preserveInsertionOrder: true, threads: 2, tempDirectory: scratch });
});
afterEach(async () => {
  vi.useRealTimers();
  for (const hot of open.splice(0)) await hot.close();
});
afterAll(async () => {
  database.close();
  await population.close();
});

interface Side {
  readonly hot: HotCopies;
  readonly folder: string;
  readonly catalog: LakeCatalog;
  readonly query: QueryService;
  readonly errors: unknown[];
}

async function copying(options: Partial<HotCopiesOptions> = {}): Promise<Side> {
  const folder = path.join(scratch, `copies-${++made}`);
  await mkdir(folder, { mode: 0o700 });
  const errors: unknown[] = [];
  const hot = new HotCopies({
    database,
    folder,
    mostBytes: 2 ** 32,
    times: 1,
    leastRows: 1,
    onError: (error) => errors.push(error),
    ...options,
  });
  open.push(hot);
  const catalog = lakeCatalog(population.lake, hot);
  return { hot, folder, catalog, query: queryOf(catalog), errors };
}

function queryOf(catalog: LakeCatalog): QueryService {
  return createQuery({ catalog, database, temporaryFolder: scratch });
}

const plainCatalog = (): LakeCatalog => lakeCatalog(population.lake);

async function relationOf(catalog: LakeCatalog, view: string): Promise<string> {
  const reader = (await catalog.latest())!;
  try {
    return await reader.views.get(view)!.relation();
  } finally {
    reader.release();
  }
}

async function text(query: QueryService, question: ViewQuestion): Promise<string> {
  const read = await query.readView(question);
  try {
    return (await bytesOf(await read.encode("ndjson"))).toString("utf8");
  } finally {
    read.release();
  }
}

const rowsOf = async (sql: string): Promise<unknown[]> => await database.with((c) => c.rows(sql));

/** Of these views more is asked: those with several layers and those with most columns. */
const THOROUGH = new Set(["observation", "patient_demographics", "encounter"]);

/** Views with rows, by name. */
function filled(): [string, ViewState][] {
  return Object.entries(head.views).filter(([, view]) => view.rowCount > 0);
}

describe("copies of views that are read often", () => {
  it("hold the rows of every shipped view in their order, with the same columns of the same types", async () => {
    const { hot, catalog, errors } = await copying();
    for (const [name] of filled()) await relationOf(catalog, name);
    await hot.settled();
    expect(errors).toEqual([]);
    const layers = filled().flatMap(([, view]) => view.layers.filter(({ rows }) => rows > 0));
    expect(layers.length).toBeGreaterThan(filled().length);
    expect(hot.state().copies).toBe(layers.length);
    for (const [name] of filled()) {
      const [copied, files] = [await relationOf(catalog, name), await relationOf(plainCatalog(), name)];
      expect(copied).not.toContain("SELECT * FROM read_parquet(");
      expect(files).not.toContain("_lake_hot");
      expect(await rowsOf(`DESCRIBE SELECT * FROM ${copied}`), name).toEqual(
        await rowsOf(`DESCRIBE SELECT * FROM ${files}`),
      );
      const ordered = (relation: string): string => `SELECT to_json(t)::VARCHAR AS r FROM ${relation} t`;
      const [a, b] = [await rowsOf(ordered(copied)), await rowsOf(ordered(files))];
      // An anti-join need not keep the order; a single layer does.
      const single = head.views[name]!.layers.filter(({ rows }) => rows > 0).length === 1;
      const bag = (rows: unknown[]): string[] => rows.map((row) => JSON.stringify(row));
      expect(single ? bag(a) : bag(a).sort(), name).toEqual(single ? bag(b) : bag(b).sort());
    }
  });

  it("answer every question with the bytes that files answer it with", async () => {
    const { hot, query } = await copying();
    const plain = queryOf(plainCatalog());
    for (const [view, { columns }] of filled()) {
      await text(query, { view, limit: 1 });
      await hot.settled();
      const scalar = columns.filter(
        ({ sqlType, fhirType }) => !/\[|VARCHAR/.test(sqlType) && fhirType !== undefined,
      );
      const ordered = scalar.slice(0, THOROUGH.has(view) ? 4 : 1);
      const questions: ViewQuestion[] = [
        { view },
        ...ordered.map(({ name: column }, i) => ({
          view,
          limit: 9 + 31 * i,
          order: [{ column, descending: i % 2 === 0, nullsFirst: i > 1 }],
        })),
      ];
      if (!THOROUGH.has(view)) questions.push({ view, limit: 17, filters: [] });
      else if (columns.some(({ name }) => name === "patient_key")) {
        const [first] = await rowsOf(
          `SELECT patient_key AS k FROM ${await relationOf(plainCatalog(), view)} ORDER BY hash(_lake_key) LIMIT 1`,
        );
        const value = (first as { k: string }).k;
        for (const operator of ["eq", "gt", "lte"] as const) {
          questions.push({ view, limit: 30, filters: [{ operator, column: "patient_key", value }] });
          questions.push({ view, filters: [{ operator, column: "patient_key", value }] });
        }
      }
      for (const question of questions) {
        expect(await text(query, question), JSON.stringify(question)).toBe(await text(plain, question));
      }
    }
  });

  it("do not disturb a reader that goes from page to page while they are made, dropped and made again", async () => {
    const view = "observation";
    const whole = await text(queryOf(plainCatalog()), { view });
    const { hot, query, catalog } = await copying({ times: 3 });
    const asLines: PageOptions = { as: { format: "ndjson", options: {} } };
    const byTime = [{ column: "effective_start", descending: true }];
    for (const [order, options] of [
      [undefined, {}],
      [undefined, asLines],
      [byTime, {}],
    ] as const) {
      const wanted = order === undefined ? whole : await text(queryOf(plainCatalog()), { view, order });
      const reader = (await catalog.latest())!;
      let pages = "";
      let after: Position | undefined;
      const counts = new Set<number>();
      for (let page = 0; ; page++) {
        const question = { view, limit: 90, ...(order && { order }), ...(after && { after }) };
        const read = await query.readOpened({ ...reader, release: () => undefined }, question);
        const { next } = await read.page(options);
        pages += (await bytesOf(await read.encode("ndjson"))).toString("utf8");
        read.release();
        if (next === undefined) break;
        after = next;
        if (page === 3) await hot.settled();
        if (page === 6) await hot.forget();
        counts.add(hot.state().copies);
      }
      reader.release();
      expect(pages).toBe(wanted);
      expect([...counts].some((count) => count > 0)).toBe(true);
      vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 60_000 });
    }
  });

  it("keep within their bound, and give way only while nobody reads them", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const layers = filled()
      .map(([name, view]) => [name, view.layers] as const)
      .filter(([, all]) => all.filter(({ rows }) => rows > 0).length === 1);
    const [a, b] = [layers[0]![0], layers[1]![0]];
    const measured = await copying();
    for (const name of [a, b]) await relationOf(measured.catalog, name);
    await measured.hot.settled();
    const both = measured.hot.state().bytes;
    const { hot, catalog, folder, errors } = await copying({ mostBytes: both - 1 });
    const reader = (await catalog.latest())!;
    const held = async (): Promise<string> => await reader.views.get(a)!.relation();
    await held();
    await hot.settled();
    const copied = await held();
    expect(copied).toContain("_lake_hot");
    vi.setSystemTime(Date.now() + 120_000);
    const later = async (): Promise<void> => {
      await relationOf(catalog, b);
      await hot.settled();
      expect(hot.state().bytes).toBeLessThan(both);
      expect(hot.state().copies).toBe(1);
    };
    await later();
    expect(await rowsOf(`SELECT * FROM ${copied}`)).toHaveLength(head.views[a]!.rowCount);
    expect(await relationOf(catalog, b)).not.toContain("_lake_hot");
    reader.release();
    vi.setSystemTime(Date.now() + 700_000);
    await later();
    expect(await relationOf(catalog, b)).toContain("_lake_hot");
    expect(await relationOf(catalog, a)).not.toContain("_lake_hot");
    expect(await readdir(folder)).toHaveLength(1);
    expect(errors).toEqual([]);
  });

  it("are read by this user alone, and go with the one who keeps them", async () => {
    const { hot, folder, catalog } = await copying();
    await relationOf(catalog, "observation");
    await hot.settled();
    const files = await filesBelow(folder);
    expect(files.length).toBeGreaterThan(0);
    for (const file of files) expect((await stat(file)).mode & 0o777, file).toBe(0o600);
    await hot.close();
    await expect(readdir(folder)).rejects.toMatchObject({ code: "ENOENT" });
    expect(await relationOf(catalog, "observation")).not.toContain("_lake_hot");
  });

  it("are gone from the disk at once when they are to be forgotten, also one under way; readers end or fail and then read files", async () => {
    const { hot, folder, catalog, errors } = await copying();
    const view = "observation";
    const reader = (await catalog.latest())!;
    await reader.views.get(view)!.relation();
    await hot.settled();
    const copied = await reader.views.get(view)!.relation();
    const reading = database
      .with((c) => c.rows(`SELECT a.* FROM ${copied} a, range(20) r`))
      .catch((error: unknown) => error);
    // This one begins a copy that does not get to its end.
    await relationOf(catalog, "patient_demographics");
    await hot.forget();
    expect(await readdir(folder)).toEqual([]);
    expect(hot.state()).toEqual({ copies: 0, bytes: 0 });
    const ended = await reading;
    if (Array.isArray(ended)) expect(ended).toHaveLength(20 * head.views[view]!.rowCount);
    else expect(ended).toMatchObject({ code: "duckdb/detached" });
    await expect(rowsOf(`SELECT count(*) FROM ${copied}`)).rejects.toMatchObject({
      code: "duckdb/detached",
    });
    const again = await reader.views.get(view)!.relation();
    expect(again).not.toContain("_lake_hot");
    expect(await rowsOf(`SELECT * FROM ${again}`)).toHaveLength(head.views[view]!.rowCount);
    // Whoever asks while an erasure goes on has nothing copied.
    await hot.settled();
    expect(await readdir(folder)).toEqual([]);
    reader.release();
    expect(errors).toEqual([]);
  });

  it("that cannot be made leave nothing but a word in the log", async () => {
    const { hot, folder, errors } = await copying();
    const view = head.views["patient_demographics"]!;
    const [layer] = view.layers;
    const lease = hot.lease(population.lake);
    const wrong = { ...layer!, rows: layer!.rows + 1 };
    lease.take({ ...view, layers: [wrong] });
    await hot.settled();
    expect(errors).toMatchObject([{ code: "query/copy-differs" }]);
    expect(await readdir(folder)).toEqual([]);
    // It is not tried again at once.
    lease.take({ ...view, layers: [wrong] });
    await hot.settled();
    expect(errors).toHaveLength(1);
    lease.release();
  });

  it("are made for layers that are asked for often enough, and of enough rows", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const { hot, catalog } = await copying({ times: 3, leastRows: 100 });
    const ask = async (view: string): Promise<number> => {
      await relationOf(catalog, view);
      await hot.settled();
      return hot.state().copies;
    };
    for (let i = 0; i < 5; i++) expect(await ask("patient_demographics")).toBe(0);
    expect(await ask("observation")).toBe(0);
    expect(await ask("observation")).toBe(0);
    vi.setSystemTime(Date.now() + 61_000);
    expect(await ask("observation")).toBe(0);
    expect(await ask("observation")).toBe(0);
    expect(await ask("observation")).toBe(1);
  });
});
