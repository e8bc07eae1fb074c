import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createGuardedApp, type GuardedApp } from "../support/guarded-app.js";
import { CANARIES, demographics, hiddenView } from "../support/private-views.js";

/** Strings for each kind; 5,000 are the whole. Those that the engine must see cost most, so that by default they are fewer. */
const GIVEN = process.env["FHIR_LAKE_INJECTION_RUNS"];
const RUNS = Number(GIVEN ?? 250);
const QUERY_RUNS = Number(GIVEN ?? 50);
/** The whole takes about fifty milliseconds for a string that the engine sees, alone on two cores. */
const TIMEOUT_MS = 90_000 + 400 * QUERY_RUNS;
const SEED = Number(process.env["FHIR_LAKE_INJECTION_SEED"] ?? 18);
const VIEW = "/views/patient_demographics";

const GENDERS = ["female", "male", "female"];
/** Some that the policy hides stand in the attacks themselves. */
const attacks = [
  "'",
  "''",
  '"',
  '""',
  "`",
  "’",
  "＇",
  "ʼ",
  "′",
  "\\",
  "\\'",
  "\0",
  "%00",
  "--",
  ";--",
  "/*",
  "*/",
  "#",
  ";",
  ")",
  "(",
  "))",
  "$1",
  "$$",
  "?",
  ":x",
  "@x",
  " OR 1=1",
  "' OR '1'='1",
  '" OR ""="',
  "') OR true --",
  "' UNION SELECT family FROM _raw --",
  "'; DROP TABLE patient_demographics; --",
  " UNION ALL SELECT * FROM private_notes",
  "_raw.family",
  "_view.mrn",
  "_lake_key",
  "_shift",
  "rowid",
  "COLUMNS(*)",
  "* EXCLUDE (gender)",
  "(SELECT note)",
  "getenv('HOME')",
  "read_text('/etc/passwd')",
  "../../etc/passwd",
  "%2e%2e%2f",
  "{{7*7}}",
  // biome-ignore lint/suspicious/noTemplateCurlyInString: what a template engine would run.
  "${7*7}",
  "<script>alert(1)</script>",
  "\r\nX-Injected: yes",
  "\u2028",
  "\u202e",
  "😀",
  "__proto__",
  "constructor",
  "toString",
  "NULL",
  "null",
  "true",
  "1e400",
  "-0",
  "9".repeat(40),
  "eq.",
  "in.(",
  "not.eq.",
  "is.null",
  "like.*",
  ",",
  ".",
  ":",
  "gender",
  "female",
  "2020-01-01",
  "",
] as const;

const piece = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...attacks) },
  { weight: 2, arbitrary: fc.string({ unit: "binary", maxLength: 12 }) },
  { weight: 1, arbitrary: fc.string({ unit: "grapheme", maxLength: 12 }) },
  { weight: 1, arbitrary: fc.constantFrom(...attacks).map((one) => one.repeat(50)) },
);
const nasty = fc
  .array(piece, { minLength: 1, maxLength: 4 })
  .map((parts) => Buffer.from(parts.join("").slice(0, 2000)).toString());

let guarded: GuardedApp;
let key: string;

beforeAll(async () => {
  guarded = await createGuardedApp({
    views: [demographics, hiddenView],
    audit: false,
    roles: {
      researcher: {
        permissions: ["metadata.read", "views.read"],
        policy: {
          views: ["patient_demographics"],
          deidentify: true,
          rows: { patient_demographics: [{ column: "site", in: ["north"] }] },
        },
      },
    },
    limits: { requestsPerMinute: 1e9, concurrentQueries: 1000, querySecondsPerHour: 1e9 },
  });
  key = guarded.key("researcher");
});
afterAll(async () => {
  expect(guarded.lake.held()).toBe(0);
  await guarded.close();
});

/** What came back; fails when it is a failure of the server, or holds what it must not. */
async function ask(
  path: string,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  const response = await guarded.get(path, key, headers);
  const body = await response.clone().text();
  const told = `${path}: ${response.status} ${body.slice(0, 300)}`;
  expect(response.status < 500 || response.status === 501, told).toBe(true);
  expect(response.headers.has("X-Injected")).toBe(false);
  for (const canary of CANARIES) {
    // An error may name what was typed.
    if (!text.includes(canary)) expect(body.includes(canary), told).toBe(false);
  }
  expect(/\b(?:Binder|Parser|Catalog|Conversion) Error|LINE \d|node_modules| {4}at /.test(body), told).toBe(
    false,
  );
  return response;
}

const E = encodeURIComponent;

/** By kind of parameter: the address that a string makes. */
const kinds: Readonly<Record<string, (text: string) => string>> = {
  "the value of a number": (text) => `${VIEW}?birth_date=gte.${E(text)}`,
  "a filter without its operator": (text) => `${VIEW}?gender=${E(text)}`,
  "the values of a list": (text) => `${VIEW}?gender=in.(${E(text)})`,
  "the name of a column": (text) => `${VIEW}?${E(text)}=eq.female`,
  "a group": (text) => `${VIEW}?or=(${E(text)})`,
  "a filter in a group": (text) => `${VIEW}?and=(gender.eq.${E(text)})`,
  select: (text) => `${VIEW}?limit=1&select=${E(text)}`,
  "a name in select": (text) => `${VIEW}?limit=1&select=${E(text)}:gender`,
  order: (text) => `${VIEW}?limit=1&order=${E(text)}`,
  limit: (text) => `${VIEW}?limit=${E(text)}`,
  count: (text) => `${VIEW}?limit=1&count=${E(text)}`,
  age_at: (text) => `${VIEW}?limit=1&age_at=${E(text)}`,
  cursor: (text) => `${VIEW}?limit=1&cursor=${E(text)}`,
  snapshot: (text) => `${VIEW}?limit=1&snapshot=${E(text)}`,
  as_of: (text) => `${VIEW}?limit=1&as_of=${E(text)}`,
  pin: (text) => `${VIEW}?limit=1&pin=${E(text)}`,
  consistency: (text) => `${VIEW}?limit=1&consistency=${E(text)}`,
  min_epoch: (text) => `${VIEW}?limit=1&min_epoch=${E(text)}`,
  _format: (text) => `${VIEW}?limit=1&_format=${E(text)}`,
  "an extension": (text) => `${VIEW}.${E(text)}?limit=1`,
  "the name of a view": (text) => `/views/${E(text)}?limit=1`,
  "the view of a schema": (text) => `/views/${E(text)}/schema`,
};

/** Kinds that mostly become questions which are answered. */
const asked: ReadonlySet<string> = new Set([
  "a filter without its operator",
  "the values of a list",
  "a filter in a group",
  "a name in select",
]);

describe("A string that would rather be SQL", () => {
  it(
    "is a value like any other in a filter: exactly the rows that have it come back",
    async () => {
      const examples: [string][] = attacks.map((one) => [one]);
      await fc.assert(
        fc.asyncProperty(nasty, async (text) => {
          const response = await ask(`${VIEW}.json?select=gender&gender=eq.${E(text)}`, text);
          if (text.includes("\0")) {
            expect(response.status).toBe(400);
            return;
          }
          expect(response.status).toBe(200);
          const rows = (await response.json()) as readonly { readonly gender: string }[];
          expect(rows.map(({ gender }) => gender)).toEqual(GENDERS.filter((one) => one === text));
        }),
        { seed: SEED, numRuns: QUERY_RUNS + attacks.length, examples },
      );
    },
    TIMEOUT_MS,
  );

  it.each(Object.keys(kinds))(
    "fails as what it is, or does what it says, as %s",
    async (kind) => {
      await fc.assert(
        fc.asyncProperty(nasty, async (text) => {
          const response = await ask(kinds[kind]!(text), text);
          expect([200, 400, 404, 406, 409, 410]).toContain(response.status);
          if (response.status === 200) {
            const rows = Number(response.headers.get("X-Row-Count") ?? 0);
            expect(rows).toBeLessThanOrEqual(3);
          }
        }),
        { seed: SEED, numRuns: asked.has(kind) ? QUERY_RUNS : RUNS },
      );
    },
    TIMEOUT_MS,
  );

  it(
    "is no header that means anything",
    async () => {
      const header = nasty.map((text) => text.replaceAll(/[^\x20-\x7e]/g, "~").slice(0, 500));
      const names = [
        "Accept",
        "If-None-Match",
        "X-Request-Id",
        "X-Lake-Role",
        "X-Lake-Purpose",
        "X-API-Key",
        "Range",
      ];
      await fc.assert(
        fc.asyncProperty(fc.constantFrom(...names), header, async (name, text) => {
          const response = await ask(`${VIEW}.md?limit=1`, text, { [name]: text });
          expect([200, 304, 401, 403, 406]).toContain(response.status);
          expect(response.headers.get("X-Request-Id")).toMatch(/^[\w.-]{1,64}$/);
        }),
        { seed: SEED, numRuns: QUERY_RUNS },
      );
    },
    TIMEOUT_MS,
  );

  it("has changed nothing", async () => {
    const response = await guarded.get(`${VIEW}?limit=1&count=exact`, guarded.key("admin"));
    expect(response.headers.get("X-Total-Count")).toBe("5");
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
    const told = guarded.lines.join("\n");
    for (const canary of CANARIES) expect(told.includes(canary)).toBe(false);
  });
});
