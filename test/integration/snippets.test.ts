import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { readSheet } from "read-excel-file/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Snippet, snippets } from "../../serving/html/snippets.js";
import type { LakeServer } from "../../src/app/serve.js";
import { pythonWith } from "../support/python.js";
import { rscript } from "../support/r.js";
import { parseCsv } from "../support/result-bytes.js";
import { type ServedPopulation, servedPopulation } from "../support/served-population.js";

const KEY = "a-key-of-this-test";
const python = pythonWith("pandas", "pyarrow", "polars", "duckdb");
const r = rscript();

interface Column {
  readonly name: string;
  readonly sqlType: string;
}

/** What a tool made of a view: the number of rows, and the type of each column. */
interface ReadBack {
  readonly view: string;
  readonly rows: number;
  readonly types: Readonly<Record<string, string>>;
}

type Tool = Snippet["tool"];

/** How each tool calls the types of columns, by the SQL type that the dictionary gives. */
const typed: Readonly<Record<"pandas" | "polars" | "duckdb" | "R", Readonly<Record<string, string>>>> = {
  pandas: {
    VARCHAR: "string[pyarrow]",
    BOOLEAN: "bool[pyarrow]",
    INTEGER: "int32[pyarrow]",
    BIGINT: "int64[pyarrow]",
    DOUBLE: "double[pyarrow]",
    DATE: "date32[day][pyarrow]",
    TIMESTAMP: "timestamp[us][pyarrow]",
    "TIMESTAMP WITH TIME ZONE": "timestamp[us, tz=UTC][pyarrow]",
    "VARCHAR[]": "list<element: string>[pyarrow]",
  },
  polars: {
    VARCHAR: "String",
    BOOLEAN: "Boolean",
    INTEGER: "Int32",
    BIGINT: "Int64",
    DOUBLE: "Float64",
    DATE: "Date",
    TIMESTAMP: "Datetime(time_unit='us', time_zone=None)",
    "TIMESTAMP WITH TIME ZONE": "Datetime(time_unit='us', time_zone='UTC')",
    "VARCHAR[]": "List(String)",
  },
  duckdb: {},
  R: {
    VARCHAR: "character",
    BOOLEAN: "logical",
    INTEGER: "integer",
    BIGINT: "numeric",
    DOUBLE: "numeric",
    DATE: "Date",
    TIMESTAMP: "POSIXct",
    "TIMESTAMP WITH TIME ZONE": "POSIXct",
    "VARCHAR[]": "character",
  },
};

/** Passes requests on to a server when they bring the key, as a server that asks for one does. */
async function keyedServer(target: string): Promise<{ readonly server: Server; readonly origin: string }> {
  const server = createServer((request, response) => {
    if (request.headers.authorization !== `Bearer ${KEY}`) {
      response.writeHead(401).end();
      return;
    }
    void fetch(`${target}${request.url!}`).then(async (answer) => {
      response.writeHead(answer.status).end(Buffer.from(await answer.arrayBuffer()));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

/** The lines for a tool as a page shows them. */
async function shown(address: string): Promise<ReadonlyMap<Tool, string>> {
  const page = await (await fetch(address, { headers: { Accept: "text/html" } })).text();
  const found = page.matchAll(/aria-label="Lines for (\w+)"><code>([^<]*)<\/code>/g);
  const plain = (text: string): string =>
    text.replaceAll(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code)));
  return new Map([...found].map(([, tool, text]) => [tool as Tool, plain(text!)]));
}

const pythonTypes: Readonly<Record<"pandas" | "polars" | "duckdb", string>> = {
  pandas: "len(df), {c: str(t) for c, t in df.dtypes.items()}",
  polars: "df.height, {c: str(t) for c, t in df.schema.items()}",
  duckdb: "df.count('*').fetchall()[0][0], dict(zip(df.columns, map(str, df.types)))",
};

describe("lines to copy", () => {
  let population: ServedPopulation;
  let server: LakeServer;
  let keyed: Awaited<ReturnType<typeof keyedServer>>;
  let folder: string;
  const columns = new Map<string, readonly Column[]>();
  /** By view, the lines that its page shows. */
  const pages = new Map<string, ReadonlyMap<Tool, string>>();
  const rowCounts = new Map<string, number>();

  beforeAll(async () => {
    population = await servedPopulation(12);
    server = await population.serve();
    keyed = await keyedServer(server.url);
    folder = await mkdtemp(path.join(tmpdir(), "fhir-lake-snippets-"));
    const { views } = (await (await fetch(`${server.url}/views`)).json()) as { views: { name: string }[] };
    for (const { name } of views) {
      const schema = (await (await fetch(`${server.url}/views/${name}/schema`)).json()) as {
        columns: Column[];
      };
      columns.set(name, schema.columns);
      pages.set(name, await shown(`${server.url}/views/${name}?limit=20`));
      rowCounts.set(name, await rowCount(name, "?limit=20"));
    }
  }, 120_000);
  afterAll(async () => {
    keyed.server.close();
    await rm(folder, { recursive: true, force: true });
    await population.close();
  });

  /** Not synchronously: the server lives in this process. */
  const run = async (
    program: string,
    args: readonly string[],
    environment: NodeJS.ProcessEnv = {},
  ): Promise<string> => {
    const env = { ...process.env, ...environment };
    const { stdout } = await promisify(execFile)(program, args, { cwd: folder, env, maxBuffer: 1 << 26 });
    return stdout;
  };
  const file = async (name: string): Promise<string> => await readFile(path.join(folder, name), "utf8");
  const rowCount = async (view: string, search: string): Promise<number> => {
    const response = await fetch(`${server.url}/views/${view}.json${search}`);
    return ((await response.json()) as unknown[]).length;
  };

  /**
   * Runs Python lines one after the other in one process, and tells what each made of its view. The process leaves without ending the
   * interpreter: pyarrow's threads may still hold a buffer of Python's then, and abort one process in a hundred (apache/arrow#34314).
   */
  const runPython = async (
    tool: "pandas" | "polars" | "duckdb",
    lines: ReadonlyMap<string, string>,
    environment?: NodeJS.ProcessEnv,
  ): Promise<ReadBack[]> => {
    const script = path.join(folder, `lines_${tool}.py`);
    await writeFile(
      script,
      `import json, io, contextlib, os
for view, text in json.loads(${JSON.stringify(JSON.stringify([...lines]))}):
    names = {}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(text, names)
    df = names["df"]
    rows, types = ${pythonTypes[tool]}
    print(json.dumps({"view": view, "rows": rows, "types": types}), flush=True)
os._exit(0)
`,
    );
    const output = await run(python!, [script], environment);
    return output
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as ReadBack);
  };

  const checkTypes = (tool: keyof typeof typed, { view, types }: ReadBack): void => {
    for (const { name, sqlType } of columns.get(view)!) {
      const expected = tool === "duckdb" ? sqlType : typed[tool][sqlType];
      expect(expected, `${tool} has a type for ${sqlType}`).toBeDefined();
      expect(types[name], `${view}.${name} in ${tool}`).toBe(expected);
    }
  };

  it.skipIf(python === undefined).each(["pandas", "polars", "duckdb"] as const)(
    "read every shipped view with its types in %s, as the page of the view shows them",
    async (tool) => {
      const lines = new Map<string, string>();
      for (const view of columns.keys()) {
        const text = pages.get(view)!.get(tool)!;
        expect(text).toContain(`${server.url}/views/${view}.parquet?limit=20`);
        lines.set(view, text);
      }
      const read = await runPython(tool, lines);
      expect(read.map(({ view }) => view)).toEqual([...columns.keys()]);
      for (const one of read) {
        checkTypes(tool, one);
        expect(one.rows).toBe(rowCounts.get(one.view));
      }
    },
    120_000,
  );

  it.skipIf(r === undefined)(
    "read every shipped view with its types in R",
    async () => {
      const parts: string[] = [];
      for (const view of columns.keys()) {
        const text = pages.get(view)!.get("R")!;
        parts.push(`${text}
cat(sprintf('%s\\t%d\\t%s\\n', '${view}', nrow(df), paste(names(df), sapply(df, function(x) class(x)[1]), sep = '=', collapse = ',')))`);
      }
      await writeFile(path.join(folder, "all.R"), `${parts.join("\n")}\n`);
      const lines = (await run(r!, ["all.R"])).trim().split("\n");
      expect(lines).toHaveLength(columns.size);
      for (const line of lines) {
        const [view, rows, types] = line.split("\t");
        const pairs = types!.split(",").map((pair) => pair.split("=") as [string, string]);
        checkTypes("R", { view: view!, rows: Number(rows), types: Object.fromEntries(pairs) });
        expect(Number(rows)).toBe(rowCounts.get(view!));
      }
    },
    120_000,
  );

  const search = "?select=patient_key,code,onset_start&code=in.(44054006,73211009,59621000)&limit=7";

  it("fetch a question by curl and by Excel as they do by hand", async () => {
    const lines = await shown(`${server.url}/views/condition${search}`);
    await run("sh", ["-c", lines.get("curl")!]);
    const expected = await rowCount("condition", search);
    const csv = parseCsv(await file("condition.csv"));
    expect(csv[0]).toEqual(["patient_key", "code", "onset_start"]);
    expect(csv.slice(1)).toHaveLength(expected);
    // What Power Query does: the address, then the sheet of that name, its first line as header.
    const m = lines.get("Excel")!;
    const address = /Web\.Contents\("([^"]*)"/.exec(m)![1]!;
    const item = /\[Item = "([^"]*)", Kind = "Sheet"\]/.exec(m)![1]!;
    const workbook = Buffer.from(await (await fetch(address)).arrayBuffer());
    const sheet = await readSheet(workbook, item);
    expect(sheet[0]).toEqual(["patient_key", "code", "onset_start"]);
    expect(sheet.slice(1)).toHaveLength(expected);
    expect(expected).toBeGreaterThan(0);
  });

  const asked = [
    { name: "patient_key", sqlType: "VARCHAR" },
    { name: "code", sqlType: "VARCHAR" },
    { name: "onset_start", sqlType: "DATE" },
  ];

  it("send a key from the environment where the server asks for one, and fail without it", async () => {
    const all = new Map(
      snippets({ origin: keyed.origin, view: "condition", search, columns: asked, keyed: true }).map(
        ({ tool, text }) => [tool, text],
      ),
    );
    const expected = await rowCount("condition", search);
    const environment = { FHIR_LAKE_KEY: KEY };
    await run("sh", ["-c", all.get("curl")!], environment);
    expect(parseCsv(await file("condition.csv")).slice(1)).toHaveLength(expected);
    await expect(run("sh", ["-c", all.get("curl")!], { FHIR_LAKE_KEY: "wrong" })).rejects.toThrow("401");
    if (python !== undefined) {
      for (const tool of ["pandas", "polars", "duckdb"] as const) {
        const [read] = await runPython(tool, new Map([["condition", all.get(tool)!]]), environment);
        expect(read!.rows, tool).toBe(expected);
      }
    }
    if (r !== undefined) {
      await writeFile(path.join(folder, "keyed.R"), `${all.get("R")!}\ncat(nrow(df))\n`);
      expect(await run(r, ["keyed.R"], environment)).toBe(String(expected));
    }
  }, 120_000);
});
