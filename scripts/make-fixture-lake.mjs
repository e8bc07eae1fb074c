// Makes the lake that stands for this release in test/fixtures/lakes/<version>: a few dozen invented resources with updates, deletes, a
// merged layer and views, and the rows that every later version must read from it. Run it once per release, after `npm run build`:
//   node scripts/make-fixture-lake.mjs
// A lake that is there already is never overwritten, because it must stay what its release wrote.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { loadViews, shippedViewsDirectory } from "#batch";
import { compact, Lake, liveResources, vacuum, viewRows } from "#lake";
import { ingestNdjson } from "../dist/src/app/ingest.js";

const VIEWS = ["patient_demographics", "condition"];
const version = JSON.parse(readFileSync("package.json", "utf8")).version;
const target = path.resolve("test/fixtures/lakes", `v${version}`);
if (existsSync(target)) {
  console.error(`${target} is there already; a released lake is never changed.`);
  process.exit(1);
}
const work = mkdtempSync(path.join(tmpdir(), "fhir-lake-fixture-"));

const at = (day, minute = 0) => new Date(Date.UTC(2026, 0, day, 8, minute)).toISOString();
const patient = (n, day, more = {}) => ({
  resourceType: "Patient",
  id: `p${n}`,
  meta: { versionId: String(day), lastUpdated: at(day, n) },
  gender: n % 2 === 0 ? "female" : "male",
  birthDate: n % 5 === 0 ? `19${50 + n}` : `19${50 + n}-0${1 + (n % 9)}-1${n % 10}`,
  name: [{ family: `Family ${n}`, given: n % 3 === 0 ? [`Given ${n}`, "Ünal"] : [`Given ${n}`] }],
  ...more,
});
const condition = (n, day) => ({
  resourceType: "Condition",
  id: `c${n}`,
  meta: { lastUpdated: at(day, n) },
  clinicalStatus: { coding: [{ code: day > 1 ? "resolved" : "active" }] },
  code: {
    coding: [{ system: "http://snomed.info/sct", code: "44054006", display: "Diabetes mellitus type 2" }],
  },
  subject: { reference: `Patient/p${n}` },
  onsetDateTime: `202${n % 6}-0${1 + (n % 8)}`,
});
/** The value is text put in afterwards, because numbers would lose their zeros. */
const observation = (n, day, value) =>
  JSON.stringify({
    resourceType: "Observation",
    id: `o${n}`,
    meta: { lastUpdated: at(day, n) },
    status: "final",
    code: { coding: [{ system: "http://loinc.org", code: "4548-4", display: "Hemoglobin A1c" }] },
    subject: { reference: `Patient/p${n % 12}` },
    effectiveDateTime: "2025-12-01T10:00:00+01:00",
    valueQuantity: { value: "@", unit: "%", system: "http://unitsofmeasure.org", code: "%" },
  }).replace('"@"', value);
const removal = (url, day) =>
  JSON.stringify({
    resourceType: "Bundle",
    type: "history",
    entry: [{ request: { method: "DELETE", url }, response: { lastModified: at(day, 30), etag: 'W/"9"' } }],
  });
const lines = (...items) =>
  items.flat().map((item) => (typeof item === "string" ? item : JSON.stringify(item)));
const range = (count, make) => Array.from({ length: count }, (_, i) => make(i));

const batches = [
  lines(
    range(12, (n) => patient(n, 1)),
    range(6, (n) => condition(n, 1)),
    range(16, (n) => observation(n, 1, `${5 + (n % 4)}.10`)),
  ),
  lines(
    patient(3, 2, { gender: "other" }),
    observation(2, 2, "12345678901234567890.1234567890"),
    removal("Observation/o5", 2),
  ),
  // An element that nobody sent before: files with another column set.
  lines(
    patient(4, 3, { deceasedDateTime: "2026-01-02", maritalStatus: { text: "married" } }),
    condition(2, 3),
    removal("Patient/p7", 3),
  ),
  ...range(4, (i) => lines(patient(i, 4 + i, { active: i % 2 === 0 }), observation(20 + i, 4 + i, "-0.0"))),
  lines(patient(1, 20, { active: true }), removal("Condition/c3", 20)),
  lines(patient(2, 21), condition(9, 21), removal("Observation/o2", 21)),
];

mkdirSync(path.dirname(target), { recursive: true });
const lake = await Lake.open({ location: target, memoryLimitBytes: 400e6 });
const shipped = await loadViews([shippedViewsDirectory()], lake.definitions);
const views = new Map(VIEWS.map((name) => [name, shipped.get(name)]));
for (const [i, batch] of batches.entries()) {
  // Half of the deltas are merged, the others stay on top.
  if (i === batches.length - 2) await compact(lake, { full: true });
  const file = path.join(work, `batch-${i}.json`);
  writeFileSync(file, batch.join("\n"));
  await ingestNdjson(lake, { inputs: [file], source: "fixture", policy: "time", bundles: "unpack", views });
}
const KEPT = 3;
await vacuum(lake, { keepSnapshots: KEPT, graceMs: 0 });

async function rowsOf(snapshot) {
  const tables = {};
  for (const [type, table] of Object.entries(snapshot.tables)) {
    const { relation } = await liveResources(lake, type, table);
    const rows = await lake.database.with((c) => c.rows(`SELECT raw FROM ${relation} ORDER BY id`));
    tables[type] = rows.map((row) => row.raw);
  }
  const viewed = {};
  for (const [name, view] of Object.entries(snapshot.views)) {
    const columns = view.columns.map((c) => `"${c.name}"`).join(", ");
    const select = `SELECT to_json({${view.columns.map((c) => `"${c.name}": "${c.name}"`).join(", ")}})::VARCHAR AS row FROM (SELECT ${columns} FROM ${await viewRows(lake, view)}) ORDER BY 1`;
    viewed[name] = (await lake.database.with((c) => c.rows(select))).map((row) => row.row);
  }
  return { tables, views: viewed };
}
const head = await lake.head();
const early = await lake.history.at(head.id - KEPT + 1);
/** What every later version must read: the raw texts and view rows of the newest snapshot, the view rows of the oldest. */
const expected = {
  head: { id: head.id, ...(await rowsOf(head)) },
  early: { id: early.id, views: (await rowsOf(early)).views },
};
await lake.close();
rmSync(path.join(target, "staging"), { recursive: true, force: true });
rmSync(path.join(target, "landing"), { recursive: true, force: true });
writeFileSync(path.join(target, "expected.json"), `${JSON.stringify(expected, null, 1)}\n`);
rmSync(work, { recursive: true, force: true });
console.log(`${target}: snapshots to ${head.id}`);
