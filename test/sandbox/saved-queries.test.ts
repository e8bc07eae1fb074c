import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Database } from "#duckdb";
import { systemClock } from "#kernel";
import { checkSavedQuery, createQuery, loadSavedQueries, type QueryService, reservedNames } from "#query";
import { createApp, type ServingApp, silentLogger } from "#serving";
import { createParquetLake, everyType, manyRows, type ParquetLake } from "../support/parquet-lake.js";

let lake: ParquetLake;
let folder: string;
let database: Database;
let query: QueryService;
let app: ServingApp;

const BY_GENDER = `-- Rows of <one> gender.
-- More than one line.
-- @param gender text = female: as in FHIR
-- @param least integer = 0: n from here on
-- @param names text[] = null
SELECT n, gender FROM many WHERE gender = $gender AND n >= $least AND ($names IS NULL OR display IN $names) ORDER BY n
`;
const TYPED = `-- What the parameters are.
-- @param day date
-- @param at timestamp = "2026-01-01T00:00:00.5+01:00": an instant
-- @param number number = 1.50
-- @param yes boolean = true
-- @param big integer[] = 1,9007199254740993
SELECT typeof($day) AS day, $day AS d, typeof($at) AS "at", $at AS a, typeof($number) AS number, typeof($yes) AS yes, $big AS big
`;

beforeAll(async () => {
  lake = await createParquetLake();
  folder = await mkdtemp(path.join(tmpdir(), "fhir-lake-saved-"));
  database = await Database.open({ preserveInsertionOrder: true, threads: 1 });
  await lake.commit([everyType, manyRows("many", 1_000)]);
  query = createQuery(
    { catalog: lake.catalog, database, temporaryFolder: path.join(lake.folder, "tmp") },
    { sandbox: { threads: 1 } },
  );
  await writeFile(path.join(folder, "by_gender.sql"), BY_GENDER);
  await writeFile(path.join(folder, "typed.sql"), TYPED);
  const savedQueries = await loadSavedQueries([folder]);
  app = createApp({ catalog: lake.catalog, query, clock: systemClock, log: silentLogger, savedQueries });
});

afterAll(async () => {
  await query.close();
  expect(lake.held()).toBe(0);
  database.close();
  await lake.close();
  await rm(folder, { recursive: true, force: true });
});

const get = async (target: string, accept?: string): Promise<Response> =>
  await app.request(`http://localhost${target}`, { headers: accept === undefined ? {} : { Accept: accept } });

async function refusal(target: string): Promise<{ status: number; detail: string; type: string }> {
  return (await (await get(target)).json()) as { status: number; detail: string; type: string };
}

describe("a saved query", () => {
  it("is an address with typed parameters, in every format and state that views have", async () => {
    const response = await get("/queries/by_gender?least=3&limit=2");
    expect(await response.json()).toEqual([
      { n: 3, gender: "female" },
      { n: 6, gender: "female" },
    ]);
    expect([response.headers.get("X-Row-Limit"), response.headers.get("X-Truncated")]).toEqual(["2", "true"]);
    expect(response.headers.get("X-Lake-Snapshot")).toBe("1");
    const csv = await get("/queries/by_gender.csv?gender=male&least=995&snapshot=1");
    expect(await csv.text()).toBe("n,gender\n997,male\n");
    expect(csv.headers.get("Content-Disposition")).toBe('attachment; filename="by_gender.csv"');
    const listed = encodeURIComponent('"some ""display"", text 3",x'.replaceAll('""', '\\"'));
    expect(await (await get(`/queries/by_gender?names=${listed}`)).json()).toEqual([
      { n: 3, gender: "female" },
    ]);
    expect(await (await get("/queries/typed?day=2026-02-28&_format=json")).json()).toEqual([
      {
        day: "DATE",
        d: "2026-02-28",
        at: "TIMESTAMP WITH TIME ZONE",
        a: "2025-12-31T23:00:00.5Z",
        number: "DECIMAL(3,2)",
        yes: "BOOLEAN",
        big: [1, "9007199254740993"],
      },
    ]);
  });

  it.each([
    ["/queries/by_gender?least=x", 400, "a whole number"],
    ["/queries/by_gender?lest=1", 400, "Did you mean 'least'"],
    ["/queries/typed", 400, "Give the parameter 'day'"],
    ["/queries/typed?day=2026-02-30", 400, "a day"],
    ["/queries/typed?day=2026-02-28&at=2026-02-28", 400, "an instant"],
    ["/queries/typed?day=2026-02-28&yes=1", 400, "true or false"],
    ["/queries/by_gender?gender=a&gender=b", 400, "twice"],
    ["/queries/by_gender?limit=-1", 400, "limit"],
    ["/queries/by_gende", 404, "'by_gende'"],
    ["/queries/by_gender.pdf", 406, "pdf"],
  ])("refuses %s with %i", async (target, status, said) => {
    const problem = await refusal(target);
    expect(problem.status).toBe(status);
    expect(problem.detail).toContain(said);
  });

  it("is a page with a form, which has rows as soon as it can be run", async () => {
    const empty = await get("/queries/typed", "text/html");
    const form = await empty.text();
    expect(form).toContain('<input id="day" name="day" type="date" step="1" value="" required>');
    expect(form).toContain("Fill in the form");
    expect(empty.headers.get("Content-Security-Policy")).toContain("form-action 'self'");
    const page = await (
      await get(`/queries/by_gender?gender=${encodeURIComponent('"><script>')}`, "text/html")
    ).text();
    expect(page).toContain("Rows of &#60;one&#62; gender.");
    expect(page).toContain('value="&#34;&#62;&#60;script&#62;"');
    expect(page).not.toContain("<script>");
    expect(page).toContain("All 0 rows");
    const rows = await (await get("/queries/by_gender?least=&_format=html")).text();
    expect(rows).toContain("The first 100 rows of more");
    expect(rows).toContain('href="/queries/by_gender.parquet?least="');
  });

  it("is listed, as JSON and as a page", async () => {
    const { queries } = (await (await get("/queries")).json()) as {
      queries: { name: string; parameters: object[] }[];
    };
    expect(queries.map(({ name }) => name)).toEqual(["by_gender", "typed"]);
    expect(queries[0]!.parameters[1]).toEqual({
      name: "least",
      type: "integer",
      list: false,
      description: "n from here on",
      required: false,
      default: "0",
    });
    expect(await (await get("/queries", "text/html")).text()).toContain('<a href="/queries/typed">');
  });

  it("is checked without being run", async () => {
    const wrong = {
      missing_view: ["-- x\nSELECT * FROM manny", "query/unknown-view"],
      missing_column: ["-- x\nSELECT m FROM many", "query/sql-invalid"],
      undeclared: ["-- x\nSELECT $a", "query/sql-parameter"],
      unused: ["-- x\n-- @param a text\nSELECT 1", "query/sql-parameter"],
      refused: ["-- x\nCOPY many TO 'x'", "query/sql-refused"],
    } as const;
    const other = await mkdtemp(path.join(tmpdir(), "fhir-lake-saved-"));
    for (const [name, [text]] of Object.entries(wrong))
      await writeFile(path.join(other, `${name}.sql`), text);
    const queries = await loadSavedQueries([folder, other]);
    const found: Record<string, string> = {};
    for (const saved of queries.values()) {
      const problem = await checkSavedQuery(query, await query.snapshot(), saved);
      if (problem !== undefined) found[saved.name] = problem.error.code;
    }
    expect(found).toEqual(Object.fromEntries(Object.entries(wrong).map(([name, [, code]]) => [name, code])));
    await rm(other, { recursive: true, force: true });
  });

  it("has no parameter of a name that addresses use otherwise", async () => {
    for (const name of reservedNames) {
      const { status, detail } = await refusal(`/queries/by_gender?${name}=nonsense!&_format=xyz`);
      expect(status === 406 || !detail.includes("no parameter"), name).toBe(true);
    }
  });
});
