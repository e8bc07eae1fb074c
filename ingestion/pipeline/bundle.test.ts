import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadDefinitions } from "#fhir";
import { type LandingManifest, type LandingRecord, readLandingFile } from "#landing";
import type { QuarantineRecord } from "../quarantine/quarantine-record.js";
import { type LandNdjsonOptions, landNdjson } from "./land.js";

const definitions = loadDefinitions("4.0.1");
let dir: string;
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), "bundle-"));
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

interface Landed {
  readonly manifest: LandingManifest;
  readonly records: readonly (LandingRecord & { readonly type: string; readonly text: string })[];
  readonly quarantine: readonly QuarantineRecord[];
}

let runs = 0;
async function land(
  name: string,
  content: string | Buffer,
  more: Partial<LandNdjsonOptions> = {},
): Promise<Landed> {
  const file = path.join(dir, name);
  writeFileSync(file, content);
  const landingDir = path.join(dir, `landing-${runs++}`);
  mkdirSync(landingDir);
  const manifest = await landNdjson({
    inputs: [file],
    source: "",
    policy: "time",
    landingDir,
    sequence: 1,
    acceptedAt: new Date(0),
    definitions,
    ...more,
  });
  const { lines, entries, blank, unpacked, skipped, accepted, quarantined } = manifest.counts;
  expect(lines + entries).toBe(blank + unpacked + skipped + accepted + quarantined);
  const records: Landed["records"][number][] = [];
  for (const { type, path: name } of manifest.files) {
    for await (const record of readLandingFile(path.join(landingDir, name))) {
      const raw = Buffer.from(record.raw);
      records.push({ ...record, raw, type, text: raw.toString("utf8") });
    }
  }
  records.sort((a, b) => (a.order.slice(46, 58) < b.order.slice(46, 58) ? -1 : 1));
  const quarantine =
    quarantined === 0
      ? []
      : readFileSync(path.join(landingDir, "quarantine.ndjson"), "utf8")
          .trimEnd()
          .split("\n")
          .map((line) => JSON.parse(line) as QuarantineRecord);
  return { manifest, records, quarantine };
}

const UUID_A = "8c2b5b1e-1111-4a4a-9b9b-000000000001";
const UUID_B = "8c2b5b1e-1111-4a4a-9b9b-000000000002";

function bundle(type: string, entries: readonly string[], id = ""): string {
  return `{"resourceType":"Bundle",${id === "" ? "" : `"id":"${id}",`}"type":"${type}","entry":[${entries.join(",")}]}`;
}

/** Indents JSON text without parsing it, so that literals stay as written. */
function pretty(text: string): string {
  return text.replace(/("(?:[^"\\]|\\.)*")|([{[,])|([}\]])|:/g, (_, string, open, close) => {
    if (string !== undefined) return string as string;
    if (open !== undefined) return `${open as string}\r\n  `;
    return close === undefined ? " : " : `\n${close as string}`;
  });
}

describe("Bundles in .json files", () => {
  const patient = `{"resourceType":"Patient","id":"${UUID_A}","multipleBirthInteger":2,"text":{"status":"generated","div":"<div>a  b : {c}</div>"}}`;
  const observation =
    `{"resourceType":"Observation","valueQuantity":{"value":1.10,"unit":"caf\\u00e9"},` +
    `"subject":{"reference":"urn:uuid:${UUID_A}"},"focus":[{"reference":"urn:uuid:unknown"},{"reference":"#x"}],"note":[{"text":"urn:uuid:${UUID_A}"}]}`;
  const transaction = bundle("transaction", [
    `{"fullUrl":"urn:uuid:${UUID_A}","resource":${patient},"request":{"method":"POST","url":"Patient"}}`,
    `{"fullUrl":"urn:uuid:${UUID_B}","resource":${observation},"request":{"method":"POST","url":"Observation"}}`,
  ]);
  const expected = [
    ["Patient", UUID_A, patient],
    [
      "Observation",
      UUID_B,
      observation
        .replace('"Observation",', `"Observation","id":"${UUID_B}",`)
        .replace(`{"reference":"urn:uuid:${UUID_A}"}`, `{"reference":"Patient/${UUID_A}"}`),
    ],
  ];

  it.each([
    ["on one line", transaction],
    ["on one line that ends", `${transaction}\n`],
    ["indented", pretty(transaction)],
    ["indented with a byte order mark", `\ufeff${pretty(transaction)}\n\n`],
    ["behind empty lines", `\n\n${pretty(transaction)}`],
  ])("are taken apart %s, with literals as written and references resolved", async (_, text) => {
    const { records, manifest } = await land("bundle.json", text);
    expect(records.map((r) => [r.type, r.id, r.text])).toEqual(expected);
    expect(manifest.counts).toMatchObject({ unpacked: 1, entries: 2, accepted: 2, quarantined: 0 });
    expect(Object.keys(manifest.observed)).toEqual(["Observation", "Patient"]);
  });

  it("are taken apart when packed, and line by line in a .json file of lines", async () => {
    const packed = await land("bundle.json.gz", gzipSync(pretty(transaction)));
    expect(packed.records.map((r) => [r.type, r.id, r.text])).toEqual(expected);
    const lines = await land("bundles.json", `${transaction}\n${transaction}\n`);
    expect(lines.manifest.counts).toMatchObject({ lines: 2, unpacked: 2, accepted: 4 });
  });

  it("are stored whole when asked to, or when they are documents", async () => {
    const stored = await land("bundle.json", pretty(bundle("collection", [`{"resource":${patient}}`], "b")), {
      bundles: "store",
    });
    expect(stored.records.map((r) => [r.type, r.id, r.text])).toEqual([
      ["Bundle", "b", bundle("collection", [`{"resource":${patient}}`], "b")],
    ]);
    const document = await land("bundle.json", bundle("document", [`{"resource":${patient}}`], "b"));
    expect(document.records.map((r) => r.type)).toEqual(["Bundle"]);
    const unpacked = await land("bundle.json", bundle("document", [`{"resource":${patient}}`], "b"), {
      bundles: "unpack",
    });
    expect(unpacked.records.map((r) => r.type)).toEqual(["Patient"]);
  });

  it("cannot be stored without an id", async () => {
    const { quarantine } = await land("bundle.json", transaction, { bundles: "store" });
    expect(quarantine).toMatchObject([
      { reason: "missing-id", message: "A Bundle without id cannot be stored." },
    ]);
  });

  it("cut short are refused as a whole, whatever stands in front", async () => {
    const text = pretty(transaction);
    for (const cut of [text.length - 2, Math.floor(text.length / 2), 40]) {
      const { records, quarantine } = await land("bundle.json", text.slice(0, cut));
      expect(records).toEqual([]);
      expect(quarantine).toMatchObject([{ reason: "truncated", offset: 0, line: 1 }]);
    }
    const packed = gzipSync(text).subarray(0, -30);
    const { quarantine, manifest } = await land("bundle.json.gz", packed);
    expect(quarantine).toMatchObject([{ reason: "truncated-gzip" }]);
    expect(manifest.problems).toHaveLength(1);
  });

  it("longer than the limit are refused", async () => {
    const text = pretty(transaction);
    const { quarantine } = await land("bundle.json", text, {
      limits: { maxDocumentBytes: 100, maxLineBytes: 100 },
    });
    expect(quarantine).toMatchObject([{ reason: "too-large", length: text.length }]);
  });

  it("longer than a line may be are taken apart, if their resources are not", async () => {
    const text = bundle(
      "collection",
      Array.from({ length: 50 }, (_, i) => `{"resource":${patient.replace(UUID_A, `p${i}`)}}`),
    );
    const { records } = await land("bundle.json", text, { limits: { maxLineBytes: 1000 } });
    expect(records).toHaveLength(50);
    const { quarantine } = await land("bundle.json", text, { limits: { maxLineBytes: 100 } });
    expect(quarantine).toHaveLength(50);
    expect(quarantine[7]).toMatchObject({ reason: "too-large", entry: 7 });
  });
});

describe("other documents in .json files", () => {
  it("may be one indented resource", async () => {
    const { records } = await land("patient.json", '{\n  "resourceType": "Patient",\n  "id": "a"\n}\n');
    expect(records.map((r) => r.text)).toEqual(['{"resourceType":"Patient","id":"a"}']);
  });

  it("that are no resource are refused as a whole", async () => {
    for (const text of ['[\n{"resourceType":"Patient","id":"a"}\n]', '{\n"a": 1\n}']) {
      const { quarantine } = await land("x.json", text);
      expect(quarantine).toMatchObject([{ reason: "not-a-resource", text }]);
    }
    const two = '{\n"resourceType":"Patient","id":"a"}\n{\n"resourceType":"Patient","id":"b"}';
    expect((await land("x.json", two)).quarantine).toMatchObject([{ reason: "invalid-json" }]);
  });

  it("with a first line cut within a string are lines", async () => {
    const { records, quarantine } = await land(
      "x.json",
      '{"resourceType":"Pat\n{"resourceType":"Patient","id":"b"}\n',
    );
    expect(records.map((r) => r.id)).toEqual(["b"]);
    expect(quarantine).toMatchObject([{ reason: "truncated", line: 1 }]);
  });
});

describe("Bundles in NDJSON", () => {
  const entry = '{"resource":{"resourceType":"Patient","id":"p"}}';

  it("are stored as resources", async () => {
    const text = bundle("collection", [entry], "b");
    const { records, quarantine } = await land(
      "Bundle.ndjson",
      `${text}\n${bundle("collection", [entry])}\n`,
    );
    expect(records.map((r) => [r.type, r.id, r.text])).toEqual([["Bundle", "b", text]]);
    expect(quarantine).toMatchObject([{ reason: "missing-id" }]);
  });

  it("are taken apart when asked to", async () => {
    const { records, manifest } = await land("Bundle.ndjson", `${bundle("collection", [entry])}\n`, {
      bundles: "unpack",
    });
    expect(records.map((r) => [r.type, r.id])).toEqual([["Patient", "p"]]);
    expect(manifest.counts).toMatchObject({ lines: 1, unpacked: 1, entries: 1, accepted: 1 });
    expect(Object.keys(manifest.observed)).toEqual(["Patient"]);
  });
});

describe("Bundle entries", () => {
  it("that delete become delete records", async () => {
    const { records } = await land(
      "history.json",
      bundle("history", [
        '{"resource":{"resourceType":"Patient","id":"a","meta":{"versionId":"1"}},"request":{"method":"PUT","url":"Patient/a"}}',
        '{"request":{"method":"DELETE","url":"Patient/a"},"response":{"status":"204","etag":"W/\\"2\\"","lastModified":"2024-01-01T00:00:00Z"}}',
        '{"request":{"method":"DELETE","url":"https://x.org/fhir/Observation/o.1/_history/5"}}',
      ]),
    );
    expect(records.map((r) => [r.type, r.kind, r.id, r.version, r.lastUpdated, r.text])).toEqual([
      ["Patient", "U", "a", "1", "", '{"resourceType":"Patient","id":"a","meta":{"versionId":"1"}}'],
      ["Patient", "D", "a", "2", "2024-01-01T00:00:00Z", ""],
      ["Observation", "D", "o.1", "5", "", ""],
    ]);
    expect(records[1]!.key).toBe(records[0]!.key);
    expect(records[1]!.order > records[0]!.order).toBe(true);
  });

  it("that cannot be carried out are refused, each for itself", async () => {
    const { records, quarantine, manifest } = await land(
      "batch.json",
      bundle("batch", [
        '{"request":{"method":"DELETE","url":"Patient?identifier=1"}}',
        '{"request":{"method":"DELETE","url":"Pateint/1"}}',
        '{"request":{"method":"DELETE"}}',
        '{"resource":{"resourceType":"Binary","id":"b"},"request":{"method":"PATCH","url":"Patient/1"}}',
        '{"resource":{"resourceType":"Patient"}}',
        '{"resource":{"resourceType":"Nothing","id":"b"}}',
        '{"resource":{"resourceType":"Patient","id":"good"}}',
        '{"resource":{"resourceType":"Patient","id":"x","active":"yes"}}',
      ]),
    );
    expect(records.map((r) => r.id)).toEqual(["good"]);
    expect(quarantine.map((q) => [q.entry, q.reason])).toEqual([
      [0, "unsupported-request"],
      [1, "unsupported-request"],
      [2, "unsupported-request"],
      [3, "unsupported-request"],
      [4, "missing-id"],
      [5, "unknown-resource-type"],
      [7, "wrong-kind"],
    ]);
    expect(quarantine[4]!.text).toBe('{"resourceType":"Patient"}');
    expect(manifest.counts).toMatchObject({ lines: 1, unpacked: 1, entries: 8, accepted: 1, quarantined: 7 });
  });

  it("without content are skipped, and so is a search's OperationOutcome", async () => {
    const { records, manifest } = await land(
      "searchset.json",
      bundle("searchset", [
        '{"resource":{"resourceType":"Patient","id":"a"},"search":{"mode":"match"}}',
        '{"resource":{"resourceType":"OperationOutcome"},"search":{"mode":"outcome"}}',
        '{"response":{"status":"201"}}',
        '{"request":{"method":"GET","url":"Patient/1"}}',
      ]),
    );
    expect(records.map((r) => r.id)).toEqual(["a"]);
    expect(manifest.counts).toMatchObject({ entries: 4, skipped: 3, accepted: 1 });
  });

  it("that are Bundles themselves are stored", async () => {
    const inner = bundle("collection", ['{"resource":{"resourceType":"Patient","id":"p"}}'], "inner");
    const { records } = await land("outer.json", bundle("collection", [`{"resource":${inner}}`]));
    expect(records.map((r) => [r.type, r.id])).toEqual([["Bundle", "inner"]]);
  });

  it("keep an id they have, and references go to it", async () => {
    const { records } = await land(
      "t.json",
      bundle("transaction", [
        `{"fullUrl":"urn:uuid:${UUID_A}","resource":{"resourceType":"Patient","id":"mine"}}`,
        `{"fullUrl":"urn:uuid:${UUID_B}","resource":{"id":"o","resourceType":"Observation","subject":{"reference":"urn:uuid:${UUID_A}"}}}`,
        `{"fullUrl":"urn:uuid:c","resource":{"status":"x","resourceType":"Observation"}}`,
      ]),
    );
    expect(records.map((r) => r.text)).toEqual([
      '{"resourceType":"Patient","id":"mine"}',
      '{"id":"o","resourceType":"Observation","subject":{"reference":"Patient/mine"}}',
      '{"id":"c","status":"x","resourceType":"Observation"}',
    ]);
  });

  it("of an empty Bundle, or of none, are none", async () => {
    for (const text of [
      bundle("searchset", []),
      '{"resourceType":"Bundle","type":"searchset"}',
      '{"resourceType":"Bundle","type":"searchset","entry":null}',
    ]) {
      const { manifest } = await land("b.json", text);
      expect(manifest.counts).toMatchObject({ unpacked: 1, entries: 0, accepted: 0, quarantined: 0 });
    }
  });
});

describe("inputs with a bundle mode of their own", () => {
  it("are taken apart or stored whatever the run's mode says", async () => {
    const line = `${bundle("history", ['{"request":{"method":"DELETE","url":"Patient/gone"}}'], "b1")}\n`;
    const stored = path.join(dir, "stored.ndjson");
    const changes = path.join(dir, "changes.ndjson");
    writeFileSync(stored, line);
    writeFileSync(changes, line);
    const { records, manifest } = await land("plain.ndjson", '{"resourceType":"Patient","id":"1"}\n', {
      inputs: [stored, { path: changes, bundles: "unpack" }],
    });
    expect(records.map((r) => [r.type, r.kind, r.id])).toEqual([
      ["Bundle", "U", "b1"],
      ["Patient", "D", "gone"],
    ]);
    expect(manifest.counts).toMatchObject({ lines: 2, unpacked: 1, entries: 1, accepted: 2 });
  });
});
