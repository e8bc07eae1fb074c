import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadViews, shippedViewsDirectory } from "#batch";
import { packageRoot } from "#kernel";
import { Lake } from "#lake";
import { generatePopulation } from "#synthetic";
import { ingestNdjson } from "../../src/app/ingest.js";
import { type LakeServer, serveLake } from "../../src/app/serve.js";

type Row = Readonly<Record<string, string>>;
interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown>;
}

/** Type 2 diabetes as the truth table has it: a confirmed Condition with one of its two codes. */
const DIABETES = {
  title: "Type 2 diabetes",
  valueSets: {
    t2d: {
      codes: [
        { system: "snomed", codes: ["44054006"] },
        { system: "icd10cm", codes: ["E11.9"] },
      ],
    },
    hba1c: {
      valueSet: {
        resourceType: "ValueSet",
        compose: {
          include: [{ system: "http://loinc.org", concept: [{ code: "4548-4" }, { code: "59261-8" }] }],
        },
      },
    },
    hypertension: { csv: 'system,code,display\nsnomed,59621000,"Hypertension, essential"\n' },
  },
  conversions: [{ code: "59261-8", from: "mmol/mol", to: "%", factor: 0.09148, offset: 2.152 }],
  entry: { view: "condition", in: "t2d", where: { verification_status: "confirmed" } },
};
const VALID = { status: ["final", "amended", "corrected"] };

let folder: string;
let lake: Lake;
let server: LakeServer;
let open: LakeServer;
let truth: readonly Row[];
let truthAfter: ReadonlyMap<string, Row>;

async function truthTable(file: string): Promise<Row[]> {
  const [header, ...lines] = (await readFile(file, "utf8")).trim().split("\n");
  const names = header!.split(",");
  return lines.map((line) =>
    Object.fromEntries(line.split(",").map((value, index) => [names[index]!, value])),
  );
}

async function ingest(from: string): Promise<void> {
  const names = (await readdir(from)).filter((name) => name.endsWith(".ndjson"));
  await ingestNdjson(lake, {
    inputs: names.map((name) => path.join(from, name)),
    source: "main",
    policy: "time",
    views: await loadViews([shippedViewsDirectory()], lake.definitions),
  });
}

async function call(method: string, at: string, body?: unknown, base = server): Promise<Answer> {
  const response = await fetch(`${base.url}${at}`, {
    method,
    ...(body === undefined
      ? {}
      : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } }),
  });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    body: text === "" ? {} : (JSON.parse(text) as Record<string, unknown>),
  };
}

async function bytes(at: string): Promise<Buffer> {
  const response = await fetch(`${server.url}${at}`);
  expect(response.status).toBe(200);
  return Buffer.from(await response.arrayBuffer());
}

async function memberIds(id: string, query = ""): Promise<string[]> {
  const text = (await bytes(`/cohorts/${id}/members.csv${query}`)).toString("utf8");
  const [, ...lines] = text.trim().split("\n");
  return lines.map((line) => line.split(",")[0]!.split("/").at(-1)!).sort();
}

const idsOf = (rows: readonly Row[]): string[] => rows.map((row) => row["patient_id"]!).sort();

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "fhir-lake-cohorts-"));
  const outDir = path.join(folder, "population");
  await generatePopulation({ patients: 260, seed: 6, outDir, density: 0.3, updatesBatches: 2 });
  truth = await truthTable(path.join(outDir, "truth.csv"));
  lake = await Lake.open({ location: path.join(folder, "lake") });
  await ingest(outDir);
  server = await serveLake(lake, { host: "127.0.0.1", port: 0, compaction: false });
  open = await serveLake(lake, { host: "127.0.0.1", port: 0, compaction: false, smallCell: 0 });
  const after = new Map(truth.map((row) => [row["patient_id"]!, row]));
  for (const batch of ["batch-001", "batch-002"]) {
    for (const row of await truthTable(path.join(outDir, batch, "truth.csv")))
      after.set(row["patient_id"]!, row);
  }
  truthAfter = after;
}, 300_000);

afterAll(async () => {
  await server.close();
  await open.close();
  await lake.close();
  await rm(folder, { recursive: true, force: true });
});

describe("cohorts over a population whose truth is known", { timeout: 180_000 }, () => {
  it("find exactly the persons with type 2 diabetes, in words and in numbers", async () => {
    const made = await call("PUT", "/cohorts/t2d", DIABETES);
    expect(made.status).toBe(201);
    expect(made.body["english"]).toContain("a code of t2d where verification_status 'confirmed'");
    const expected = idsOf(truth.filter((row) => row["has_t2d"] === "true"));
    expect(expected.length).toBeGreaterThan(11);
    expect(await memberIds("t2d")).toEqual(expected);
    const count = await call("GET", "/cohorts/t2d/count");
    expect(count.body).toMatchObject({ cohort: "t2d", version: 1, count: expected.length, smallCell: 11 });
    expect(count.headers.get("X-Lake-Snapshot")).toBe(String(count.body["snapshot"]));
  });

  it("convert units by analyte before the latest value is looked at, and count results apart", async () => {
    const poor = {
      ...DIABETES,
      title: "Poorly controlled",
      include: [
        { view: "laboratory", in: "hba1c", where: VALID, value: { gt: 7.2, unit: "%" }, pick: "latest" },
      ],
    };
    await call("PUT", "/cohorts/poor", poor);
    const expected = truth.filter(
      (row) => row["has_t2d"] === "true" && Number(row["latest_hba1c_percent"]) > 7.2,
    );
    expect(expected.length).toBeGreaterThan(3);
    expect(truth.some((row) => Number(row["hba1c_mmol_count"]) > 0 && row["has_t2d"] === "true")).toBe(true);
    expect(await memberIds("poor")).toEqual(idsOf(expected));

    const counted = {
      ...DIABETES,
      title: "Many results",
      include: [
        { view: "laboratory", in: "hba1c", where: VALID, value: { ge: 0, unit: "%" }, count: { min: 5 } },
      ],
      exclude: [{ view: "condition", in: "hypertension", where: { verification_status: "confirmed" } }],
    };
    await call("PUT", "/cohorts/many", counted);
    const many = truth.filter(
      (row) =>
        row["has_t2d"] === "true" && Number(row["hba1c_count"]) >= 5 && row["has_hypertension"] === "false",
    );
    expect(many.length).toBeGreaterThan(1);
    expect(await memberIds("many")).toEqual(idsOf(many));
  });

  it("count what they cannot convert instead of guessing", async () => {
    const { conversions: _, ...without } = DIABETES;
    const include = [{ view: "laboratory", in: "hba1c", value: { ge: 0, unit: "%" } }];
    await call("PUT", "/cohorts/unconverted", { ...without, include });
    const { body } = await call("GET", "/cohorts/unconverted/count", undefined, open);
    const quality = body["quality"] as { path: string; unconvertible: { unit: string; records: number }[] }[];
    const lost = quality.find((one) => one.path === "include[0]")!.unconvertible;
    expect(lost.map((one) => one.unit)).toEqual(["mmol/mol"]);
    expect(lost[0]!.records).toBeGreaterThan(0);
  });

  it("show attrition in any order where nothing is suppressed", async () => {
    const definition = { ...DIABETES, title: "Two rules", include: [{ sex: "female" }, { age: { ge: 50 } }] };
    await call("PUT", "/cohorts/two", definition);
    const steps = async (query: string): Promise<(number | null)[]> => {
      const { body } = await call("GET", `/cohorts/two/attrition${query}`, undefined, open);
      return (body["steps"] as { remaining: number | null }[]).map((step) => step.remaining);
    };
    const [one, other] = [await steps(""), await steps("?order=1,0")];
    expect(one[0]).toBe(truth.length);
    expect(one[1]).toBe(truth.filter((row) => row["has_t2d"] === "true").length);
    expect(one[2]).toBe(
      truth.filter((row) => row["has_t2d"] === "true" && row["gender"] === "female").length,
    );
    expect(one[3]).toBe(other[3]);
    const refused = await call("GET", "/cohorts/two/attrition?order=1,0");
    expect(refused.body["type"]).toBe("urn:fhir-lake:error:cohort/order-suppressed");
  });

  it("are combined with versions fixed, and keep where they come from", async () => {
    const combined = await call("PUT", "/cohorts/well", {
      title: "Well",
      combine: { minus: ["t2d", "poor"] },
    });
    expect((combined.body["definition"] as { combine: unknown }).combine).toEqual({
      minus: ["t2d@1", "poor@1"],
    });
    const [all, poor] = [await memberIds("t2d"), await memberIds("poor")];
    expect(await memberIds("well")).toEqual(all.filter((id) => !poor.includes(id)));
    await call("PUT", "/cohorts/both", { title: "Both", combine: { union: ["poor", "well"] } });
    expect(await memberIds("both")).toEqual(all);
    await call("PUT", "/cohorts/neither", { title: "Neither", combine: { intersect: ["poor", "well"] } });
    expect(await memberIds("neither")).toEqual([]);
  });

  it("are as the manual shows them, from its definition to its dataset", async () => {
    const manual = await readFile(path.join(packageRoot(), "docs", "cohorts.md"), "utf8");
    const definition = /```json\n([\s\S]*?)```/.exec(manual)![1]!;
    const features = /-d '(\{\n[\s\S]*?\})'/.exec(manual)![1]!;
    expect((await call("PUT", "/cohorts/manual", JSON.parse(definition))).status).toBe(201);
    for (const at of ["attrition", "members.csv"])
      expect((await fetch(`${open.url}/cohorts/manual/${at}`)).status).toBe(200);
    for (const at of ["breakdown?by=gender,age_band", "feasibility?needed=20", "count"]) {
      expect((await call("GET", `/cohorts/manual/${at}`, undefined, open)).status).toBe(200);
    }
    const made = await call("POST", "/cohorts/manual/dataset", JSON.parse(features));
    expect(made.status).toBe(201);
    expect((made.body["columns"] as unknown[]).length).toBe(9);
  });

  it("are broken down with no count below the threshold, by tables that the definition allows", async () => {
    const crossed = { ...DIABETES, title: "Crossed", crossTables: [["gender", "age_band"]] };
    await call("PUT", "/cohorts/crossed", crossed);
    const exact = await call("GET", "/cohorts/crossed/breakdown?by=gender", undefined, open);
    const diabetics = truth.filter((row) => row["has_t2d"] === "true");
    const cells = (answer: Answer) =>
      answer.body["cells"] as { values: string[]; count: number | null }[] | null;
    for (const { values, count } of cells(exact)!) {
      expect(count).toBe(diabetics.filter((row) => (row["gender"] || "(unknown)") === values[0]).length);
    }
    for (const by of ["gender", "age_band", "gender,age_band"]) {
      const answer = await call("GET", `/cohorts/crossed/breakdown?by=${by}`);
      expect(answer.status).toBe(200);
      for (const { count } of cells(answer) ?? []) expect(count === null || count >= 11).toBe(true);
    }
    const refused = await call("GET", "/cohorts/crossed/breakdown?by=gender,state");
    expect(refused.body["type"]).toBe("urn:fhir-lake:error:cohort/not-crossed");
    const unknown = await call("GET", "/cohorts/crossed/breakdown?by=gendre");
    expect(unknown.body["detail"]).toContain("Did you mean 'gender'?");
  });

  it("keep their versions, and refuse a change to another version than was read", async () => {
    const put = (title: string, headers: Record<string, string>) =>
      fetch(`${server.url}/cohorts/versioned`, {
        method: "PUT",
        body: JSON.stringify({ ...DIABETES, title }),
        headers: { "Content-Type": "application/json", ...headers },
      });
    expect((await put("one", { "If-None-Match": "*" })).status).toBe(201);
    expect((await put("other", { "If-None-Match": "*" })).status).toBe(409);
    const second = await put("two", { "If-Match": '"1"' });
    expect([second.status, second.headers.get("ETag")]).toEqual([200, '"2"']);
    expect((await put("two", {})).headers.get("ETag")).toBe('"2"');
    expect((await call("GET", "/cohorts/versioned?version=1")).body["title"]).toBe("one");
    expect((await call("DELETE", "/cohorts/versioned")).status).toBe(204);
    expect((await call("GET", "/cohorts/versioned")).status).toBe(404);
    const form = await fetch(`${server.url}/cohorts/versioned`, { method: "PUT", body: "{}" });
    expect(form.status).toBe(415);
  });

  it("say where a definition is wrong and what was probably meant", async () => {
    const { status, body } = await call("PUT", "/cohorts/wrong", {
      ...DIABETES,
      include: [{ view: "laboratory", in: "hba1c", value: { ge: 6.5, units: "%" } }],
    });
    expect(status).toBe(400);
    expect(body).toMatchObject({
      type: "urn:fhir-lake:error:cohort/bad-definition",
      path: "include[0].value.units",
      detail:
        "include[0].value.units: there is no such property here. Did you mean 'unit'? There are column, unit, eq, ge, gt, le, lt.",
    });
    const view = await call("POST", "/cohorts/check", { ...DIABETES, include: [{ view: "laboratry" }] });
    expect(view.body["detail"]).toBe(
      "include[0].view: There is no view named 'laboratry'. Did you mean 'laboratory'?",
    );
    const missing = await call("GET", "/cohorts/t2");
    expect([missing.status, missing.body["detail"]]).toEqual([
      404,
      "There is no cohort 't2'. Did you mean 't2d'? GET /cohorts lists all.",
    ]);
  });

  it("become a dataset whose bytes stay the same after later data, and whose diff says what changed", async () => {
    const request = {
      features: [
        {
          name: "hba1c_last",
          of: "last",
          view: "laboratory",
          in: "hba1c",
          where: VALID,
          unit: "%",
          within: { to: 0 },
        },
        {
          name: "hba1c_later",
          of: "count",
          view: "laboratory",
          in: "hba1c",
          where: VALID,
          within: "1..",
          afterIndex: true,
        },
        { name: "visits_year", of: "count", view: "encounter", within: "-365..0 days of index" },
        { name: "class_last", of: "last", view: "encounter", column: "class" },
        { name: "hypertension", of: "any", view: "condition", in: "hypertension" },
      ],
    };
    const leaking = {
      features: [{ name: "late", of: "count", view: "encounter", within: { from: 0, to: 30 } }],
    };
    const refused = await call("POST", "/cohorts/t2d/dataset", leaking);
    expect(refused.body["path"]).toBe("features[0].within");

    const made = await call("POST", "/cohorts/t2d/dataset", request);
    expect(made.status).toBe(201);
    const { pin, columns, data, attrition } = made.body as {
      pin: { snapshot: number };
      columns: { name: string; description: string; records?: number }[];
      data: Record<string, string>;
      attrition: unknown[];
    };
    expect(columns.map((column) => column.name).slice(0, 3)).toEqual([
      "person_key",
      "index_start",
      "index_end",
    ]);
    expect(columns.find((column) => column.name === "hba1c_later")!.records).toBeGreaterThan(0);
    expect(attrition).toHaveLength(2);
    const formats = Object.keys(data);
    const before = await Promise.all(formats.map((format) => bytes(data[format]!)));

    for (const batch of ["batch-001", "batch-002"]) await ingest(path.join(folder, "population", batch));
    const again = await Promise.all(formats.map((format) => bytes(data[format]!)));
    for (const [index, format] of formats.entries())
      expect(again[index]!.equals(before[index]!), format).toBe(true);

    const [was, now] = [await memberIds("t2d", `?snapshot=${pin.snapshot}`), await memberIds("t2d")];
    expect(now).toEqual(idsOf([...truthAfter.values()].filter((row) => row["has_t2d"] === "true")));
    expect(was).toEqual(idsOf(truth.filter((row) => row["has_t2d"] === "true")));
  });

  it("name who entered and who left, and the versions of the resources that did it", async () => {
    const [snapshots, members] = [await call("GET", "/snapshots"), await memberIds("t2d")];
    const from = (snapshots.body["snapshots"] as { id: number }[])[0]!.id;
    const conditions = (await readFile(path.join(folder, "population", "Condition.ndjson"), "utf8"))
      .trim()
      .split("\n");
    const healthy = idsOf([...truthAfter.values()]).find((id) => !members.includes(id))!;
    const texts = conditions.filter(
      (text) => text.includes("44054006") && text.includes('"code":"confirmed"'),
    );
    const [refuted, copied] = [texts[0]!, texts.find((text) => text.includes('"code":"44054006"'))!];
    const subject = (text: string): string => /"reference":"Patient\/([^"]+)"/.exec(text)![1]!;
    const later = (text: string, version: string): string =>
      text
        .replace(/"versionId":"[^"]*"/, `"versionId":"${version}"`)
        .replace(/"lastUpdated":"[^"]*"/, '"lastUpdated":"2026-01-01T00:00:00.000Z"');
    const changes = path.join(folder, "changes");
    await mkdir(changes);
    const lines = [
      later(refuted, "77").replace('"code":"confirmed"', '"code":"refuted"'),
      later(copied, "1")
        .replace(/"id":"[^"]*"/, '"id":"new-condition"')
        .replace(subject(copied), healthy),
    ];
    await writeFile(path.join(changes, "Condition.ndjson"), `${lines.join("\n")}\n`);
    await ingest(changes);
    const { body } = await call("GET", `/cohorts/t2d/diff?from=${from}`);
    const lastUpdated = "2026-01-01T00:00:00Z";
    expect(body["entered"]).toEqual([
      {
        person: `main/Patient/${healthy}`,
        causes: [
          {
            criterion: "with an index",
            path: "entry",
            resource: "main/Condition/new-condition",
            from: null,
            to: { version: "1", lastUpdated },
          },
        ],
      },
    ]);
    const id = /"id":"([^"]*)"/.exec(refuted)![1]!;
    const version = /"versionId":"([^"]*)"/.exec(refuted)![1]!;
    expect(body["left"]).toMatchObject([
      {
        person: `main/Patient/${subject(refuted)}`,
        causes: [
          {
            path: "entry",
            resource: `main/Condition/${id}`,
            from: { version },
            to: { version: "77", lastUpdated },
          },
        ],
      },
    ]);
    expect(body).toMatchObject({ from, enteredCount: 1, leftCount: 1, truncated: false });
  });
});
