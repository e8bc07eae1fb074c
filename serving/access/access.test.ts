import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createGuardedApp, type GuardedApp } from "../../test/support/guarded-app.js";
import { everyType } from "../../test/support/parquet-lake.js";
import { type Permission, permissions } from "./permission.js";

/** What every route asks of its caller. A route that is not here fails the test: say who may use it. */
const POLICY: Readonly<Record<string, Permission>> = {
  "GET /": "public",
  "GET /style.css": "public",
  "GET /healthz": "public",
  "GET /readyz": "public",
  "GET /docs": "public",
  "GET /docs/start.js": "public",
  "GET /docs/start.css": "public",
  "GET /docs/swagger-ui.css": "public",
  "GET /docs/swagger-ui-bundle.js": "public",
  "GET /download/:token/:name": "public",
  "GET /openapi.json": "metadata.read",
  "GET /metrics": "operations.read",
  "GET /snapshots": "metadata.read",
  "GET /freshness": "metadata.read",
  "GET /pins": "metadata.read",
  "GET /views": "metadata.read",
  "GET /views/:view/schema": "metadata.read",
  "GET /views/:view/lineage": "metadata.read",
  "GET /queries": "metadata.read",
  "GET /views/:view": "views.read",
  "GET /views/:view/profile": "views.read",
  "POST /links": "views.read",
  "GET /queries/:query": "views.read",
  "DELETE /queries/:query": "views.read",
  "GET /jobs/:job": "views.read",
  "GET /jobs/:job/result": "views.read",
  "DELETE /jobs/:job": "views.read",
  "GET /cohorts/:id/diff": "views.read",
  "GET /cohorts/:id/members": "views.read",
  ...Object.fromEntries(
    ["json", "ndjson", "csv", "tsv", "parquet", "arrow", "arrows", "xlsx", "md"].map((format) => [
      `GET /cohorts/:id/members.${format}`,
      "views.read" as const,
    ]),
  ),
  "POST /cohorts/:id/dataset": "views.read",
  "GET /cohorts/:id/datasets/:dataset": "views.read",
  "POST /sql": "sql.run",
  "POST /jobs": "sql.run",
  "GET /jobs": "sql.run",
  "GET /cohorts": "cohorts.read",
  "POST /cohorts/check": "cohorts.read",
  "GET /cohorts/:id": "cohorts.read",
  "GET /cohorts/:id/versions": "cohorts.read",
  "GET /cohorts/:id/count": "cohorts.read",
  "GET /cohorts/:id/attrition": "cohorts.read",
  "GET /cohorts/:id/breakdown": "cohorts.read",
  "GET /cohorts/:id/feasibility": "cohorts.read",
  "PUT /cohorts/:id": "cohorts.write",
  "DELETE /cohorts/:id": "cohorts.write",
  "POST /pins": "pins.write",
  "DELETE /pins/:name": "pins.write",
  "GET /ingest/runs": "operations.read",
  "GET /ingest/runs/:id": "operations.read",
};

const single = Object.fromEntries(
  permissions.slice(1).map((name) => [`only-${name}`, { permissions: [name] }]),
);
const ROLES = ["reader", "analyst", "operator", "admin", ...Object.keys(single), "blind"];

let guarded: GuardedApp;
let keys: ReadonlyMap<string, string>;

beforeAll(async () => {
  guarded = await createGuardedApp({
    views: [everyType],
    roles: {
      ...single,
      blind: { permissions: ["views.read", "metadata.read"], policy: { views: ["other"] } },
    },
    limits: { requestsPerMinute: 1_000_000, concurrentQueries: 1000, querySecondsPerHour: 1_000_000 },
  });
  keys = new Map(ROLES.map((role) => [role, guarded.key(role)]));
});
afterAll(async () => {
  expect(guarded.lake.held()).toBe(0);
  await guarded.close();
});

interface Asked {
  readonly method: string;
  readonly path: string;
}

function routes(): Asked[] {
  const found = new Map<string, Asked>();
  for (const { method, path } of guarded.app.routes) {
    if (method !== "ALL") found.set(`${method} ${path}`, { method, path });
  }
  return [...found.values()];
}

const examples: Readonly<Record<string, string>> = {
  view: "every_type",
  job: "00000000-0000-4000-8000-000000000000",
  query: "00000000-0000-4000-8000-000000000000",
};

function address(path: string): string {
  return path.replaceAll(/:(\w+)/g, (_whole, name: string) => examples[name] ?? "none");
}

async function ask(
  { method, path }: Asked,
  headers: Readonly<Record<string, string>> = {},
  as = method,
): Promise<Response> {
  const hasBody = ["POST", "PUT", "PATCH"].includes(as);
  return await guarded.app.request(`http://localhost${path}`, {
    method: as,
    headers: { ...(hasBody ? { "Content-Type": "application/json" } : {}), ...headers },
    ...(hasBody ? { body: "{}" } : {}),
  });
}

const bearer = (role: string): Record<string, string> => ({ Authorization: `Bearer ${keys.get(role)!}` });

describe("Every route", () => {
  it("stands in the table of who may use it, and nothing else does", () => {
    expect(
      routes()
        .map(({ method, path }) => `${method} ${path}`)
        .sort(),
    ).toEqual(Object.keys(POLICY).sort());
  });

  it("answers a caller who says nothing with 401 and a challenge, unless it is public", async () => {
    for (const { method, path } of routes()) {
      const wanted = POLICY[`${method} ${path}`]!;
      for (const as of method === "GET" ? ["GET", "HEAD"] : [method]) {
        const response = await ask({ method, path: address(path) }, {}, as);
        const told = `${as} ${path}: ${response.status}`;
        if (wanted === "public") expect(response.status, told).not.toBe(401);
        else {
          expect(response.status, told).toBe(401);
          expect(response.headers.get("WWW-Authenticate")).toContain("Bearer");
          expect(response.headers.get("ETag")).toBeNull();
        }
        await response.body?.cancel();
      }
    }
  });

  it("lets in exactly the roles with its permission", async () => {
    for (const role of ROLES) {
      const held = guarded.roles.get(role).permissions;
      for (const { method, path } of routes()) {
        const response = await ask({ method, path: address(path) }, bearer(role));
        const told = `${role}: ${method} ${path}: ${response.status}`;
        const wanted = POLICY[`${method} ${path}`]!;
        if (wanted === "public") expect(response.status, told).not.toBe(401);
        else if (held.has(wanted)) expect([401, 403], told).not.toContain(response.status);
        else expect(response.status, told).toBe(403);
        await response.body?.cancel();
      }
    }
  });

  it("cannot be reached past its permission by another spelling of its address or method", async () => {
    const spellings = (path: string): string[] => [
      `${path}/`,
      `/${path}`,
      path.replace("/", "//"),
      path.replace("/", "/./"),
      path.replace("/", "/x/../"),
      path.replace("/", "/%2e/"),
      path.replace("/", "/x/%2e%2e/"),
      `/${path.slice(1).replaceAll("/", "%2f")}%2f`,
      path.replaceAll("e", "%65"),
      path.replaceAll("e", "%2565"),
      path.toUpperCase(),
      `${path}.csv`,
      `${path}%00`,
      `${path};x=1`,
      `${path}?_method=GET`,
    ];
    for (const { method, path } of routes()) {
      if (POLICY[`${method} ${path}`] === "public") continue;
      for (const spelling of spellings(address(path))) {
        const headers = {
          "X-HTTP-Method-Override": "GET",
          "X-Original-URL": "/healthz",
          "X-Rewrite-URL": "/healthz",
        };
        const response = await ask({ method, path: spelling }, headers);
        const told = `${method} ${spelling}: ${response.status}`;
        // Nothing is there, or who asks is asked for; only the front page is everybody's.
        if (new URL(`http://localhost${spelling}`).pathname !== "/")
          expect(response.status, told).toBeGreaterThanOrEqual(400);
        await response.body?.cancel();
      }
      for (const as of ["OPTIONS", "PROPFIND"]) {
        expect((await ask({ method, path: address(path) }, {}, as)).status).toBeGreaterThanOrEqual(400);
      }
    }
  });
});

describe("A credential", () => {
  const target = "/views/every_type?limit=1";
  const status = async (headers: Readonly<Record<string, string>>): Promise<number> =>
    (await ask({ method: "GET", path: target }, headers)).status;
  const basic = (user: string, password: string): string =>
    `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;

  it("is a key as bearer, in a header of its own, or as a password", async () => {
    const key = keys.get("reader")!;
    expect(await status({ Authorization: `Bearer ${key}` })).toBe(200);
    expect(await status({ Authorization: `bearer  ${key}` })).toBe(200);
    expect(await status({ "X-API-Key": key })).toBe(200);
    expect(await status({ Authorization: basic("anybody", key) })).toBe(200);
  });

  it("is refused when it is anything else", async () => {
    const key = keys.get("reader")!;
    const [prefix, id, secret] = [key.slice(0, 9), key.slice(9, 21), key.slice(22)];
    const wrong: Record<string, string>[] = [
      { Authorization: key },
      { Authorization: `Bearer ${key} x` },
      { Authorization: "Bearer" },
      { Authorization: "Bearer undefined" },
      { Authorization: `Token ${key}` },
      { Authorization: `Bearer ${key.slice(0, -1)}` },
      { Authorization: `Bearer ${key}A` },
      { Authorization: `Bearer ${prefix}${id}_${"A".repeat(43)}` },
      { Authorization: `Bearer ${prefix}${"0".repeat(12)}_${secret}` },
      { Authorization: `Bearer ${prefix}../../etc_${secret}` },
      { Authorization: `Bearer ${key.toUpperCase()}` },
      { Authorization: basic("", "") },
      { Authorization: basic("admin", "admin") },
      { Authorization: `Basic ${key}` },
      { Authorization: `Bearer ${key}`, "X-API-Key": key },
      { "X-API-Key": "" },
      { "X-Lake-Role": "admin" },
      { Cookie: `Authorization=Bearer ${key}` },
    ];
    for (const headers of wrong) {
      expect(await status(headers), JSON.stringify(Object.keys(headers))).toBe(401);
    }
    expect((await ask({ method: "GET", path: `${target}&access_token=${key}` })).status).toBe(401);
  });

  it("does not hold a role that it was not given", async () => {
    expect(await status({ ...bearer("reader"), "X-Lake-Role": "reader" })).toBe(200);
    expect(await status({ ...bearer("reader"), "X-Lake-Role": "admin" })).toBe(403);
  });

  it("ends when it is revoked, when its time is over, and when its role goes", async () => {
    const end = async (change: object): Promise<number> => {
      const key = guarded.key("reader");
      const record = guarded.records.get(key.slice(9, 21))!;
      guarded.records.set(record.id, { ...record, ...change });
      return await status({ Authorization: `Bearer ${key}` });
    };
    expect(await end({})).toBe(200);
    expect(await end({ revokedAt: new Date().toISOString() })).toBe(401);
    expect(await end({ expiresAt: new Date(Date.now() - 1).toISOString() })).toBe(401);
    expect(await end({ role: "gone" })).toBe(403);
  });

  it("stands in no log line, no answer and no audit record", async () => {
    const key = keys.get("reader")!;
    const response = await ask(
      { method: "GET", path: `/views/nothing?x=${key}` },
      { Authorization: `Bearer ${key}` },
    );
    const secret = key.slice(22);
    expect(await response.text()).not.toContain(secret.slice(0, 12));
    expect(guarded.lines.join("\n")).not.toContain(secret.slice(0, 12));
    expect(JSON.stringify(guarded.links)).not.toContain(secret.slice(0, 12));
  });
});
