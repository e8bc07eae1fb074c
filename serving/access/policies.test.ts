import { tableFromIPC } from "apache-arrow";
import { readSheet } from "read-excel-file/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createGuardedApp, type GuardedApp } from "../../test/support/guarded-app.js";
import { CANARIES, demographics, hiddenView } from "../../test/support/private-views.js";
import { parquetRows } from "../../test/support/result-bytes.js";

let guarded: GuardedApp;
let admin: string;
let researcher: string;
/** Everything that the researcher was sent, as text. */
const told: string[] = [];

beforeAll(async () => {
  guarded = await createGuardedApp({
    views: [demographics, hiddenView],
    roles: {
      researcher: {
        permissions: ["metadata.read", "views.read", "cohorts.read", "sql.run"],
        policy: {
          views: ["patient_demographics"],
          deidentify: true,
          rows: { patient_demographics: [{ column: "site", in: ["north"] }] },
        },
      },
    },
    limits: { requestsPerMinute: 100_000, concurrentQueries: 100, querySecondsPerHour: 100_000 },
  });
  admin = guarded.key("admin");
  researcher = guarded.key("researcher");
});
afterAll(async () => {
  await guarded.close();
  expect(guarded.lake.held()).toBe(0);
});

function clean(text: string, where: string): void {
  for (const canary of CANARIES) expect(text.includes(canary), `${canary} in ${where}`).toBe(false);
}

async function asked(target: string, headers: Record<string, string> = {}): Promise<Response> {
  const response = await guarded.get(target, researcher, headers);
  told.push(JSON.stringify([...response.headers]));
  return response;
}

async function text(target: string): Promise<{ readonly status: number; readonly body: string }> {
  const response = await asked(target);
  const body = await response.text();
  told.push(body);
  return { status: response.status, body };
}

async function send(method: string, path: string, body: unknown, key = researcher): Promise<Response> {
  return await guarded.app.request(`http://localhost${path}`, {
    method,
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${key}` },
    body: JSON.stringify(body),
  });
}

const VIEW = "/views/patient_demographics";
const SHOWN = [
  "patient_key",
  "replaced_by_key",
  "organization_key",
  "gender",
  "birth_date",
  "deceased_date",
  "postal_code",
  "site",
];

describe("What a role may not see", () => {
  it("stands in no format of a view, and the role's rows in all of them", async () => {
    for (const format of ["json", "ndjson", "csv", "tsv", "md", "html"]) {
      const { status, body } = await text(`${VIEW}.${format}`);
      expect(status).toBe(200);
      clean(body, format);
      expect(body).toContain("north");
    }
    const bytes = async (format: string): Promise<Buffer> =>
      Buffer.from(await (await asked(`${VIEW}.${format}`)).arrayBuffer());
    const rows = await parquetRows(await bytes("parquet"));
    expect(Object.keys(rows[0]!)).toEqual(SHOWN);
    expect(rows).toHaveLength(3);
    clean(
      JSON.stringify(rows, (_key, value: unknown) => (typeof value === "bigint" ? String(value) : value)),
      "parquet",
    );
    for (const format of ["arrow", "arrows"]) {
      const table = tableFromIPC(await bytes(format));
      expect(table.schema.fields.map(({ name }) => name)).toEqual(SHOWN);
      clean(JSON.stringify(table.toArray().map((row: { toJSON(): unknown }) => row.toJSON())), format);
      clean(JSON.stringify([...table.schema.metadata]), format);
    }
    clean(JSON.stringify(await readSheet(await bytes("xlsx"))), "xlsx");
  });

  it("is unknown to names, filters, orders, groups and the dictionary, as what does not exist is", async () => {
    for (const query of [
      "select=family",
      "select=gender,canary_secret_column",
      "select=x:mrn",
      "family=eq.x",
      "mrn=is.null",
      "note=like.*canary*",
      "order=family",
      "order=birth_date,canary_secret_column.desc",
      "or=(gender.eq.male,family.eq.CanaryFamily)",
      "and=(not.and(mrn.is.null))",
    ]) {
      const { status, body } = await text(`${VIEW}?${query}`);
      expect(status, query).toBe(400);
      expect(body, query).not.toMatch(/canary_secret_column(?!=|,|\.|')/);
    }
    const absent = await text(`${VIEW}?nothing_here=eq.x`);
    clean(absent.body, "unknown column");
    for (const page of ["schema", "lineage", "profile"]) {
      const { status, body } = await text(`${VIEW}/${page}`);
      expect(status, page).toBe(200);
      clean(body, page);
      expect(body).not.toContain('"mrn"');
    }
    for (const target of [
      "/views/private_notes",
      "/views/private_notes.csv",
      "/views/private_notes/schema",
    ]) {
      expect((await text(target)).status).toBe(404);
    }
    for (const target of [
      "/views",
      "/views?_format=html",
      "/views/private_note",
      "/freshness",
      "/openapi.json",
    ]) {
      const { body } = await text(target);
      expect(body).not.toContain('"private_notes"');
      clean(body, target);
    }
  });

  it("is counted neither", async () => {
    const response = await asked(`${VIEW}?count=exact&limit=1`);
    expect(response.headers.get("X-Total-Count")).toBe("3");
    expect((await asked(`${VIEW}?count=estimated&limit=1`)).headers.get("X-Total-Count")).toBe("3");
    const list = JSON.parse((await text("/views")).body) as {
      readonly views: readonly { rowCount: unknown }[];
    };
    expect(list.views.map(({ rowCount }) => rowCount)).toEqual([null]);
    expect((await guarded.get(`${VIEW}?count=exact&limit=1`, admin)).headers.get("X-Total-Count")).toBe("5");
  });

  it("is not there for SQL, whose process never holds it", async () => {
    const rows = async (sql: string): Promise<readonly [number, string]> => {
      const response = await send("POST", "/sql", { sql });
      const body = await response.text();
      told.push(body);
      return [response.status, body];
    };
    const [status, body] = await rows("SELECT * FROM patient_demographics");
    expect(status).toBe(200);
    expect(Object.keys((JSON.parse(body) as object[])[0]!)).toEqual(SHOWN);
    clean(body, "SQL");
    for (const sql of [
      "SELECT family FROM patient_demographics",
      "SELECT _lake_key FROM patient_demographics",
      "SELECT * FROM private_notes",
      "SELECT (SELECT text FROM private_notes) FROM patient_demographics",
    ]) {
      const [refused, message] = await rows(sql);
      expect(refused, sql).toBeGreaterThanOrEqual(400);
      expect(message).not.toContain("canary-other-view");
    }
    const id = "11111111-2222-4333-8444-555555555555";
    const headers = {
      "X-Query-Id": id,
      "Content-Type": "application/json",
      Authorization: `Bearer ${researcher}`,
    };
    const own = await guarded.app.request("http://localhost/sql", {
      method: "POST",
      headers,
      body: JSON.stringify({ sql: "SELECT 1 AS one" }),
    });
    expect(own.status).toBe(200);
    expect((await asked(`/queries/${id}`)).status).toBe(200);
    expect((await guarded.get(`/queries/${id}`, admin)).status).toBe(404);
    const [, columns] = await rows("DESCRIBE patient_demographics");
    clean(columns, "DESCRIBE");
    clean((await rows("SUMMARIZE patient_demographics"))[1], "SUMMARIZE");
    expect(JSON.parse((await rows("SELECT count(*) AS n FROM patient_demographics"))[1])).toEqual([{ n: 3 }]);
  });

  it("is in no cohort, whose members go by their pseudonyms", async () => {
    const definition = { title: "All", entry: { everyone: { at: "2020-01-01" } } };
    expect((await send("PUT", "/cohorts/all", definition, admin)).status).toBe(201);
    const { status, body } = await text("/cohorts/all/members.json");
    expect(status).toBe(200);
    clean(body, "members");
    const keys = (JSON.parse(body) as { readonly person_key: string }[]).map(({ person_key: key }) => key);
    const view = JSON.parse((await text(`${VIEW}.json?select=patient_key`)).body) as {
      readonly patient_key: string;
    }[];
    expect(keys.sort()).toEqual(view.map(({ patient_key: key }) => key).sort());
    expect(keys.every((key) => /^h\/Patient\/[0-9a-f]{32}$/.test(key))).toBe(true);
    expect(JSON.parse((await text("/cohorts/all/count")).body)).toMatchObject({ count: 3 });
    expect((await text("/cohorts/all/diff?from=1&to=1")).status).toBe(501);
  });

  it("is not given away by an entity tag or a cursor of somebody who sees it", async () => {
    const mine = await asked(`${VIEW}.json`);
    const theirs = await guarded.get(`${VIEW}.json`, admin);
    const [own, other] = [mine.headers.get("ETag")!, theirs.headers.get("ETag")!];
    expect(own).not.toBe(other);
    expect((await asked(`${VIEW}.json`, { "If-None-Match": own })).status).toBe(304);
    expect((await asked(`${VIEW}.json`, { "If-None-Match": other })).status).toBe(200);
    const anonymous = await guarded.get(`${VIEW}.json`, undefined, { "If-None-Match": own });
    expect(anonymous.status).toBe(401);
    const page = await guarded.get(`${VIEW}.json?limit=1&order=gender`, admin);
    const next = /<([^>]+)>/.exec(page.headers.get("Link")!)![1]!;
    expect((await guarded.get(next, admin)).status).toBe(200);
    expect((await text(next)).status).toBe(410);
    await page.text();
  });

  it("is not in the log, nor in the audit log, whatever is asked for", async () => {
    await text(`${VIEW}?gender=eq.CanaryFamily`);
    await guarded.get(`${VIEW}?mrn=eq.canary-mrn-4711&select=family`, admin);
    await guarded.get("/views/CanaryFamily?canary-org=1", admin);
    clean(await (await guarded.get("/metrics", admin)).text(), "metrics");
    clean(guarded.lines.join("\n"), "log");
    clean(JSON.stringify(guarded.links), "audit log");
    clean(told.join("\n").replaceAll("canary_secret_column", ""), "everything told");
  });
});

describe("A link to a download", () => {
  const made = async (
    path: string,
    key: string,
    more: object = {},
  ): Promise<{ readonly status: number; readonly href: string }> => {
    const response = await send("POST", "/links", { path, ...more }, key);
    const body = (await response.json()) as { readonly href?: string };
    return { status: response.status, href: body.href ?? "" };
  };

  it("reads what its maker may read, and no more, without a credential", async () => {
    const { status, href } = await made(`${VIEW}.csv?gender=eq.female`, researcher);
    expect(status).toBe(201);
    expect(href).toMatch(/^\/download\/[\w-]+\/patient_demographics\.csv$/);
    const response = await guarded.get(href);
    expect(response.status).toBe(200);
    const body = await response.text();
    clean(body, "a link's answer");
    expect(body.trimEnd().split("\n")).toHaveLength(3);
    const last = guarded
      .entries()
      .filter(({ kind }) => kind === "disclosed")
      .at(-1)!;
    expect(last).toMatchObject({ route: "/views/:view", caller: { role: "researcher" } });
  });

  it("does not hold when it was changed, has ended, or its maker's key was revoked", async () => {
    const { href } = await made(`${VIEW}.csv`, researcher);
    const [, , token, name] = href.split("/");
    const flipped = (at: number): string =>
      `${token!.slice(0, at)}${token![at] === "A" ? "B" : "A"}${token!.slice(at + 1)}`;
    for (const wrong of [flipped(token!.length - 4), flipped(0), token!.slice(0, 20), "x", "%00"]) {
      expect((await guarded.get(`/download/${wrong}/${name}`)).status, wrong).toBe(403);
    }
    const short = await made(`${VIEW}.csv`, researcher, { lifetimeSeconds: 1 });
    await new Promise((resolve) => setTimeout(resolve, 1100));
    expect((await guarded.get(short.href)).status).toBe(403);
    const key = guarded.key("researcher");
    const record = guarded.records.get(key.slice(9, 21))!;
    guarded.records.set(record.id, { ...record, expiresAt: new Date(Date.now() + 400).toISOString() });
    const bound = await made(`${VIEW}.csv`, key, { lifetimeSeconds: 3600 });
    expect((await guarded.get(bound.href)).status).toBe(200);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect((await guarded.get(bound.href)).status).toBe(403);
  });

  it("leads only to rows of this server", async () => {
    for (const path of [
      "/pins",
      "/views",
      "/sql",
      "/views/patient_demographics/schema",
      "//evil.example/views/x",
      "https://evil.example/views/x",
      "views/x",
      "/views/../pins",
      "/cohorts/all",
      "/download/x/y",
      "",
    ]) {
      expect((await made(path, researcher)).status, path).toBe(400);
    }
    expect((await made(`${VIEW}.csv`, researcher, { lifetimeSeconds: 90_000 })).status).toBe(400);
    expect((await guarded.app.request("http://localhost/links", { method: "POST" })).status).toBe(401);
  });
});

describe("A caller", () => {
  it("is held to its share, and told when to come again", async () => {
    const limited = await createGuardedApp({
      views: [demographics],
      limits: { requestsPerMinute: 3, concurrentQueries: 1, querySecondsPerHour: 10 },
    });
    const [one, other] = [limited.key("reader"), limited.key("reader")];
    const statuses: number[] = [];
    for (let i = 0; i < 4; i++) statuses.push((await limited.get("/views", one)).status);
    expect(statuses).toEqual([200, 200, 200, 429]);
    const refused = await limited.get("/views", one);
    expect(Number(refused.headers.get("Retry-After"))).toBeGreaterThan(0);
    expect(refused.headers.get("Content-Type")).toBe("application/problem+json");
    expect((await limited.get("/views", other)).status).toBe(200);
    await limited.close();
  });

  it("may have only so many queries under way, for only so long", async () => {
    const { CallerLimits } = await import("./limits.js");
    const limits = new CallerLimits({
      requestsPerMinute: 100,
      concurrentQueries: 2,
      querySecondsPerHour: 10,
    });
    const caller = {
      id: "key:x",
      kind: "key" as const,
      role: "reader",
      permissions: new Set<never>(),
      policy: undefined,
    };
    const first = await limits.admit(caller, "views.read");
    const second = await limits.admit(caller, "sql.run");
    await expect(limits.admit(caller, "views.read")).rejects.toMatchObject({
      code: "serving/too-many-requests",
    });
    await limits.admit(caller, "metadata.read");
    await limits.admit({ ...caller, id: "key:y" }, "views.read");
    first(0);
    first(0);
    const third = await limits.admit(caller, "views.read");
    await expect(limits.admit(caller, "views.read")).rejects.toMatchObject({
      code: "serving/too-many-requests",
    });
    second(11_000);
    third(0);
    await expect(limits.admit(caller, "views.read")).rejects.toThrowError(/seconds of queries/);
    for (let i = 0; i < 200; i++) await limits.admit({ ...caller, kind: "local" }, "views.read");
  });
});
