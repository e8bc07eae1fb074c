import path from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Database } from "#duckdb";
import { createParquetLake, type ParquetLake } from "../../../test/support/parquet-lake.js";
import { bytesOf } from "../../../test/support/result-bytes.js";
import type { ResultFormat } from "../format.js";
import { createQuery, type QueryService } from "../query-service.js";
import type { PageOptions } from "../read-view.js";
import type { Condition } from "./condition.js";
import type { Position } from "./position.js";
import type { ViewQuestion } from "./view-question.js";

let lake: ParquetLake;
let database: Database;
let query: QueryService;

const columns = ["grade", "score", "day", "seen_at", "flag", "note"] as const;
const views = ["ties", "ties_of_patients", "ties_of_changed_patients"] as const;
/** How far the pages of the second view are guessed to reach. */
let guess: string | undefined;
/** Makes of the rows of the third view those that its snapshot has, in which a guess is looked for. */
let stored = (rows: string): string => rows;

beforeAll(async () => {
  lake = await createParquetLake();
  database = await Database.open({ preserveInsertionOrder: true, threads: 2 });
  query = createQuery({ catalog: lake.catalog, database, temporaryFolder: path.join(lake.folder, "tmp") });
  // Several rows per resource, whole duplicates among them, few distinct values and many NULLs: everything that a page can break on.
  // The second view has 200 rows for one resource, as many pages long as there may be, and shows patients, by whom it is sorted then.
  const ties = {
    layered: true,
    columns: [
      { name: "grade", sqlType: "INTEGER" },
      { name: "score", sqlType: "DOUBLE" },
      { name: "day", sqlType: "DATE" },
      { name: "seen_at", sqlType: "TIMESTAMP WITH TIME ZONE" },
      { name: "flag", sqlType: "BOOLEAN" },
      { name: "note", sqlType: "VARCHAR" },
    ],
    select: `SELECT md5((i // 5)::VARCHAR) AS _lake_key, CASE WHEN i % 7 > 0 THEN (i % 3)::INTEGER END AS grade,
        CASE i % 5 WHEN 0 THEN NULL WHEN 1 THEN 0.1 WHEN 2 THEN 1e300 ELSE 0.0 END AS score,
        CASE WHEN i % 4 > 0 THEN DATE '0999-12-31' + ((i % 2) * 400000)::INTEGER END AS day,
        TIMESTAMPTZ '2020-01-01 00:00:00.123456+02' + to_seconds((i % 3)::BIGINT) AS seen_at,
        CASE WHEN i % 3 > 0 THEN i % 2 = 0 END AS flag, CASE i % 4 WHEN 0 THEN '' WHEN 1 THEN 'é"x' WHEN 2 THEN 'B' END AS note
        FROM range(300) t(i)`,
  };
  const patient = { name: "patient", sqlType: "VARCHAR", path: "subject.getReferenceKey(Patient)" };
  const ofPatients = {
    ...ties,
    resource: "Observation",
    columns: [patient, ...ties.columns],
    select: `SELECT * REPLACE (CASE WHEN n < 200 THEN md5('many') ELSE _lake_key END AS _lake_key),
          CASE WHEN n < 200 THEN 'Patient/b' WHEN n % 10 > 1 THEN 'Patient/' || (n % 10) END AS patient
        FROM (SELECT *, row_number() OVER () - 1 AS n FROM (${ties.select}))`,
  };
  await lake.commit([
    { name: "ties", ...ties },
    { name: "ties_of_patients", ...ofPatients, reach: () => guess },
    {
      name: "ties_of_changed_patients",
      ...ofPatients,
      stored: (relation) => stored(relation),
    },
    {
      // In a row group both zeros are one value, so that there are two of them.
      name: "zeros",
      columns: [
        { name: "zero", sqlType: "DOUBLE" },
        { name: "n", sqlType: "INTEGER" },
      ],
      select: `SELECT md5('one') AS _lake_key, CASE WHEN i < 20480 THEN '-0.0'::DOUBLE ELSE 0.0 END AS zero,
        (2 * (i % 20480) + (i // 20480))::INTEGER AS n FROM range(40960) t(i)`,
    },
    ...[10, 20_000].map((letters) => ({
      name: `texts_of_${letters}`,
      columns: [{ name: "text", sqlType: "VARCHAR", path: "text" }],
      select: `SELECT md5(i::VARCHAR)::UUID AS _lake_key, repeat(chr(65 + (i % 26)::INTEGER), ${letters}) || i AS text FROM range(40) t(i)`,
    })),
  ]);
});

afterAll(async () => {
  expect(lake.held()).toBe(0);
  await query.close();
  database.close();
  await lake.close();
});

async function answer(
  question: Omit<ViewQuestion, "view"> & Partial<Pick<ViewQuestion, "view">>,
  pageOptions: PageOptions = {},
): Promise<{ lines: string[]; next: Position | undefined }> {
  const read = await query.readView({ view: "ties", ...question });
  try {
    const { next, rowCount } = await read.page(pageOptions);
    const text = (await bytesOf(await read.encode("ndjson"))).toString();
    const lines = text === "" ? [] : text.trimEnd().split("\n");
    if (question.limit !== undefined) expect(lines).toHaveLength(rowCount!);
    return { lines, next };
  } finally {
    read.release();
  }
}

/** The lines of all pages of an answer; each but the last one is full. */
async function allPages(
  question: Parameters<typeof answer>[0],
  limit: number,
  options: PageOptions,
): Promise<string[]> {
  const pages: string[] = [];
  let after: Position | undefined;
  do {
    const page = await answer({ ...question, limit, ...(after && { after }) }, options);
    pages.push(...page.lines);
    after = page.next;
    expect(page.lines.length <= limit && (after === undefined || page.lines.length === limit)).toBe(true);
  } while (after !== undefined);
  return pages;
}

const orders = fc.uniqueArray(
  fc.record({ column: fc.constantFrom(...columns), descending: fc.boolean(), nullsFirst: fc.boolean() }),
  { maxLength: 3, selector: ({ column }) => column },
);
const guesses = fc.constantFrom(undefined, "", "Patient/3", "Patient/7", "Patient/b", "Patient/z");
/** What a snapshot may have of the rows that count: all of them, some or none, and others that do not. */
const storages = fc.constantFrom(
  (rows: string) => rows,
  (rows: string) => `(SELECT * FROM ${rows} WHERE false)`,
  (rows: string) => `(SELECT * FROM ${rows} WHERE patient > 'Patient/3')`,
  (rows: string) => `(SELECT * FROM ${rows}, range(5))`,
  (rows: string) => `(SELECT * REPLACE ('Patient/0' AS patient) FROM ${rows})`,
);
const asLines = (format: ResultFormat): PageOptions => ({ as: { format, options: {} } });
const filters: fc.Arbitrary<Condition[]> = fc.subarray<Condition>([
  { operator: "not", condition: { operator: "eq", column: "grade", value: "1" } },
  {
    operator: "or",
    conditions: [
      { operator: "is", column: "flag", value: "null" },
      { operator: "gt", column: "score", value: "0" },
    ],
  },
]);

describe("pages of an answer", () => {
  it("put together are the answer: no row twice, none left out, whatever the order, the filters and the size", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...views),
        orders,
        filters,
        fc.subarray([...columns], { minLength: 1 }),
        fc.integer({ min: 17, max: 120 }),
        fc.constantFrom<PageOptions>({}, asLines("ndjson"), asLines("csv"), asLines("parquet")),
        guesses,
        storages,
        async (view, order, conditions, select, limit, options, guessed, had) => {
          [guess, stored] = [guessed, had];
          const question = { view, order, filters: conditions, select };
          const whole = await answer(question);
          const pages = await allPages(question, limit, options);
          expect(pages).toEqual(whole.lines);
        },
      ),
      { seed: 63, numRuns: Number(process.env["FHIR_LAKE_PROP_RUNS"] ?? 10) },
    );
  }, 300_000);

  it("are the same rows whether these are short enough to be encoded as they are read or not", async () => {
    for (const letters of [10, 20_000]) {
      const question = { view: `texts_of_${letters}`, limit: 30 };
      const expected = await answer(question);
      expect(expected.lines).toHaveLength(30);
      for (const format of ["ndjson", "csv"] as const) {
        expect(await answer(question, asLines(format))).toEqual(expected);
      }
    }
  });

  it.each([
    ["a resource that has more rows than a page", undefined],
    ["rows of it that are sorted alike", "flag"],
    ["more of these than are looked at at first", "score"],
  ])("go on within %s, encoded as they are read or not", async (_what, column) => {
    const question = { view: "ties_of_patients", order: column === undefined ? [] : [{ column }] };
    const whole = await answer(question);
    for (const limit of [10, 50]) {
      for (const options of [{}, asLines("ndjson")]) {
        const pages = await allPages(question, limit, options);
        expect(pages).toEqual(whole.lines);
      }
    }
  });

  it("tell zeros of either sign apart no more than their order does", async () => {
    const question: Partial<ViewQuestion> = {
      select: ["n"],
      order: [{ column: "zero" }],
      filters: [{ operator: "lt", column: "n", value: "40" }],
    };
    const lines = await allPages({ view: "zeros", ...question }, 7, asLines("ndjson"));
    const numbers = lines.map((line) => (JSON.parse(line) as { n: number }).n);
    expect(numbers).toEqual(Array.from({ length: 40 }, (_, n) => n));
  });

  it("end as cancelled, and others beside them go on", async () => {
    const question = { view: "ties", limit: 20 } as const;
    const cancelled = AbortSignal.abort();
    const reads = await Promise.all(Array.from({ length: 9 }, () => query.readView(question)));
    const waiting = new AbortController();
    const outcomes = reads.map((read, i) => {
      const signal = i === 0 ? cancelled : waiting.signal;
      return read.page({ ...asLines("ndjson"), ...(i === 0 || i === 8 ? { signal } : {}) });
    });
    waiting.abort();
    const settled = await Promise.allSettled(outcomes);
    for (const read of reads) read.release();
    expect(settled.map(({ status }) => status)).toEqual([
      "rejected",
      ...Array.from({ length: 7 }, () => "fulfilled"),
      "rejected",
    ]);
    for (const i of [0, 8]) {
      expect(settled[i]).toMatchObject({ reason: { code: "duckdb/interrupted" } });
    }
  });

  it("are right however wrongly it was guessed how far they reach", async () => {
    const whole = await answer({ view: "ties_of_patients" });
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom("ties_of_patients", "ties_of_changed_patients"),
        guesses,
        storages,
        fc.option(fc.constantFrom("Patient/2", "Patient/5", "Patient/b"), { nil: undefined }),
        fc.integer({ min: 30, max: 120 }),
        async (view, guessed, had, start, limit) => {
          [guess, stored] = [guessed, had];
          const question = { view };
          const filters: Condition[] =
            start === undefined ? [] : [{ operator: "gte", column: "patient", value: start }];
          const expected = start === undefined ? whole : await answer({ ...question, filters });
          const pages = await allPages({ ...question, filters }, limit, asLines("ndjson"));
          expect(pages).toEqual(expected.lines);
        },
      ),
      { seed: 64, numRuns: Number(process.env["FHIR_LAKE_PROP_RUNS"] ?? 10) },
    );
  }, 300_000);

  it("leave in the order asked for, NULL where it was asked for", async () => {
    const sorted = async (descending: boolean, nullsFirst: boolean) => {
      const { lines } = await answer({
        select: ["grade"],
        order: [{ column: "grade", descending, nullsFirst }],
      });
      const grades = lines.map((line) => (JSON.parse(line) as { grade: number | null }).grade);
      return grades.filter((grade, index) => index === 0 || grade !== grades[index - 1]);
    };
    expect(await sorted(false, false)).toEqual([0, 1, 2, null]);
    expect(await sorted(true, false)).toEqual([2, 1, 0, null]);
    expect(await sorted(true, true)).toEqual([null, 2, 1, 0]);
  });

  it("count what the limit leaves out", async () => {
    const read = await query.readView({
      view: "ties",
      limit: 2,
      filters: [{ operator: "is", column: "grade", value: "null" }],
    });
    expect(await read.count("exact")).toEqual({ rows: 43, exact: true });
    expect(await read.page()).toMatchObject({ rowCount: 2, truncated: true });
    read.release();
    const all = await query.readView({ view: "ties", limit: 0 });
    expect(await all.count("estimated")).toEqual({ rows: 300, exact: true });
    expect(await all.page()).toEqual({ rowCount: 0, truncated: true, next: undefined });
    all.release();
  });
});
