import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadDefinitions } from "#fhir";
import {
  instantNs,
  type LandingManifest,
  type LandingRecord,
  orderKey,
  readLandingFile,
  readManifest,
  resourceKey,
} from "#landing";
import type { QuarantineRecord } from "../quarantine/quarantine-record.js";
import { type LandNdjsonOptions, landNdjson } from "./land.js";

const definitions = loadDefinitions("4.0.1");
const acceptedAt = new Date("2026-01-02T03:04:05.678Z");

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), "land-"));
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

function make(name: string, content: string | Buffer): string {
  const file = path.join(dir, "in", name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, content);
  return file;
}

interface Landed {
  readonly dir: string;
  readonly manifest: LandingManifest;
  readonly records: readonly (LandingRecord & { readonly type: string; readonly text: string })[];
  readonly quarantine: readonly QuarantineRecord[];
}

function options(inputs: readonly string[], landingDir: string): LandNdjsonOptions {
  return { inputs, source: "src", policy: "time", landingDir, sequence: 7, acceptedAt, definitions };
}

let runs = 0;
async function land(inputs: readonly string[], more: Partial<LandNdjsonOptions> = {}): Promise<Landed> {
  const landingDir = path.join(dir, `landing-${runs++}`);
  mkdirSync(landingDir);
  const manifest = await landNdjson({ ...options(inputs, landingDir), ...more });
  expect(await readManifest(landingDir)).toEqual(manifest);
  const { lines, entries, blank, unpacked, skipped, accepted, quarantined } = manifest.counts;
  expect(lines + entries).toBe(blank + unpacked + skipped + accepted + quarantined);
  const records: Landed["records"][number][] = [];
  for (const file of manifest.files) {
    const bytes = readFileSync(path.join(landingDir, file.path));
    expect(createHash("sha256").update(bytes).digest("hex")).toBe(file.sha256);
    for await (const record of readLandingFile(path.join(landingDir, file.path))) {
      const raw = Buffer.from(record.raw);
      records.push({ ...record, raw, type: file.type, text: raw.toString("utf8") });
    }
  }
  expect(records).toHaveLength(accepted);
  records.sort((a, b) => (a.order.slice(34, 58) < b.order.slice(34, 58) ? -1 : 1));
  const quarantineFile = path.join(landingDir, "quarantine.ndjson");
  const quarantine = existsSync(quarantineFile)
    ? readFileSync(quarantineFile, "utf8")
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line) as QuarantineRecord)
    : [];
  expect(quarantine).toHaveLength(quarantined);
  const known = [
    ...manifest.files.map((f) => f.path),
    "landing.json",
    ...(quarantined > 0 ? ["quarantine.ndjson"] : []),
  ];
  expect(readdirSync(landingDir).sort()).toEqual(known.sort());
  return { dir: landingDir, manifest, records, quarantine };
}

function patient(id: string, more = ""): string {
  return `{"resourceType":"Patient","id":"${id}"${more}}`;
}

describe("landing NDJSON", () => {
  it("keeps the exact text, whatever the line ends, and counts every line", async () => {
    const odd = ` {"id" : "b", "resourceType":"Patient","multipleBirthInteger":1.0 , "x":"\\u00e9 \u00e9"}\t`;
    const text = `\ufeff${patient("a")}\r\n\n${odd}\r\n   \n{"resourceType":"Device","id":"a"}\n${patient("c")}`;
    const { records, manifest, quarantine } = await land([make("mixed.ndjson", text)]);
    expect(records.map((r) => [r.type, r.kind, r.id, r.text])).toEqual([
      ["Patient", "U", "a", patient("a")],
      ["Patient", "U", "b", odd],
      ["Device", "U", "a", '{"resourceType":"Device","id":"a"}'],
      ["Patient", "U", "c", patient("c")],
    ]);
    expect(manifest.counts).toMatchObject({ lines: 6, blank: 2, accepted: 4, quarantined: 0 });
    expect(quarantine).toEqual([]);
    expect(manifest.files.map((file) => [file.type, file.rows])).toEqual([
      ["Device", 1],
      ["Patient", 3],
    ]);
    expect(manifest.observed).toEqual({ Device: ["id"], Patient: ["id", "multipleBirthInteger"] });
    expect(manifest.unknownElements).toEqual({ Patient: { x: 1 } });
  });

  it("gives every record its keys", async () => {
    const meta = ',"meta":{"versionId":"3","lastUpdated":"2024-05-06T07:08:09.123456789+02:00"}';
    const file = make("p.ndjson", `${patient("a", meta)}\n${patient("b")}\n`);
    const { records, manifest } = await land([file], { policy: "version" });
    const [a, b] = records;
    const rawHash = createHash("sha256").update(a!.raw).digest("hex");
    expect(a).toMatchObject({ version: "3", lastUpdated: "2024-05-06T07:08:09.123456789+02:00" });
    expect(a!.key).toBe(resourceKey("src", "Patient", "a"));
    const common = {
      policy: "version",
      fallbackTimeMs: acceptedAt.getTime(),
      deleted: false,
      sequence: 7,
    } as const;
    const lastUpdatedNs = instantNs("2024-05-06T07:08:09.123456789+02:00");
    expect(a!.order).toBe(orderKey({ ...common, lastUpdatedNs, versionId: "3", position: 0, rawHash }));
    expect(b!.order).toBe(
      orderKey({
        ...common,
        lastUpdatedNs: undefined,
        versionId: undefined,
        position: a!.raw.length + 1,
        rawHash: createHash("sha256").update(b!.raw).digest("hex"),
      }),
    );
    expect(manifest).toMatchObject({ sequence: 7, source: "src", policy: "version", fhirVersion: "4.0.1" });
    expect(manifest.acceptedAt).toBe(acceptedAt.toISOString());
  });

  it("lets the transaction time stand in for a missing lastUpdated", async () => {
    const transactionTime = "2025-12-31T23:00:00-01:00";
    const { records, manifest } = await land([make("p.ndjson", patient("a"))], { transactionTime });
    expect(records[0]!.order.slice(0, 16)).toBe(instantNs(transactionTime)!.toString(16).padStart(16, "0"));
    expect(manifest.transactionTime).toBe(transactionTime);
    const bad = land([make("p.ndjson", patient("a"))], { transactionTime: "2025-12-31" });
    await expect(bad).rejects.toMatchObject({ code: "ingestion/bad-transaction-time" });
  });

  it("orders records as the inputs are given, compressed ones too", async () => {
    const one = make("1.ndjson", `${patient("a")}\n${patient("b")}\n`);
    const two = make("2.ndjson.gz", gzipSync(`${patient("c")}\n${patient("d")}\n`.repeat(1)));
    const three = make("3.ndjson", `${patient("e")}\n`);
    const { records } = await land([three, two, one]);
    expect(records.map((r) => r.id)).toEqual(["e", "c", "d", "a", "b"]);
    expect(new Set(records.map((r) => r.order)).size).toBe(5);
  });

  it("reads standard input, plain or packed", async () => {
    const text = `${patient("a")}\n${patient("b")}`;
    for (const bytes of [Buffer.from(text), gzipSync(text)]) {
      const { records, manifest } = await land(["-"], {
        stdin: Readable.from([bytes], { objectMode: false }),
      });
      expect(records.map((r) => r.id)).toEqual(["a", "b"]);
      expect(manifest.inputs).toEqual([{ name: "-", sizeBytes: null }]);
    }
  });

  it("makes an empty landing of empty files", async () => {
    const { manifest } = await land([
      make("a.ndjson", ""),
      make("b.json", ""),
      make("c.ndjson.gz", gzipSync("")),
    ]);
    expect(manifest.counts).toMatchObject({ lines: 0, accepted: 0 });
    expect(manifest.files).toEqual([]);
  });

  it("compacts a line with stray carriage returns, which a record cannot carry", async () => {
    const { records } = await land([
      make("a.ndjson", `{"resourceType":"Patient",\r"id":"a b"}\n`.replace("a b", "a")),
    ]);
    expect(records[0]!.text).toBe(patient("a"));
  });

  it("reports progress up to the end", async () => {
    const file = make("a.ndjson", `${patient("a")}\n`.repeat(50_000));
    const seen: [number, number | undefined, number][] = [];
    await land([file], { onProgress: (bytes, total, counts) => seen.push([bytes, total, counts.lines]) });
    const [bytes, total, lines] = seen.at(-1)!;
    expect(bytes).toBe(total);
    expect(lines).toBe(50_000);
    expect(seen.length).toBeGreaterThan(1);
  });

  it("splits landing files at the target size", async () => {
    const file = make("a.ndjson", Array.from({ length: 1000 }, (_, i) => patient(`p${i}`)).join("\n"));
    const { manifest, records } = await land([file], { limits: { targetFileBytes: 50_000 } });
    expect(manifest.files.length).toBeGreaterThan(2);
    expect(records.map((r) => r.id)).toEqual(Array.from({ length: 1000 }, (_, i) => `p${i}`));
  });

  it("stops when it is told to", async () => {
    const controller = new AbortController();
    const file = make("a.ndjson", `${patient("a")}\n`.repeat(200_000));
    const run = land([file], { signal: controller.signal, onProgress: () => controller.abort() });
    await expect(run).rejects.toMatchObject({ code: "ingestion/aborted" });
  });

  it("fails with a typed error when the landing folder is gone", async () => {
    const run = landNdjson(options([make("a.ndjson", patient("a"))], path.join(dir, "absent")));
    await expect(run).rejects.toMatchObject({ code: "storage/io", kind: "unavailable" });
  });
});

describe("quarantine", () => {
  it("tells file, offset, line, reason and text of each refused line and keeps the others", async () => {
    const bad = '{"resourceType":"Patient","id":"x","birthDate":7}';
    const text = [
      patient("a"),
      bad,
      "",
      '{"resourceType":"Patient"}',
      "garbage",
      patient("b"),
      '{"resourceType":"Pa',
    ];
    const file = make("p.ndjson", text.join("\n"));
    const { records, quarantine } = await land([file]);
    expect(records.map((r) => r.id)).toEqual(["a", "b"]);
    expect(quarantine.map((q) => [q.line, q.reason, q.text])).toEqual([
      [2, "wrong-kind", bad],
      [4, "missing-id", '{"resourceType":"Patient"}'],
      [5, "invalid-json", "garbage"],
      [7, "truncated", '{"resourceType":"Pa'],
    ]);
    const offset = patient("a").length + 1;
    expect(quarantine[0]).toEqual({
      file,
      offset,
      line: 2,
      length: bad.length,
      reason: "wrong-kind",
      message: "Patient.birthDate must be a JSON string.",
      at: bad.indexOf("7}"),
      text: bad,
      cut: false,
      sha256: createHash("sha256").update(bad).digest("hex"),
    });
  });

  it("keeps text that is not UTF-8 in base64, and only of the bad line", async () => {
    const bad = Buffer.concat([
      Buffer.from('{"resourceType":"Patient","id":"x","y":"'),
      Buffer.of(0xff, 0x22, 0x7d),
    ]);
    const file = make(
      "p.ndjson",
      Buffer.concat([Buffer.from(`${patient("a")}\n`), bad, Buffer.from(`\n${patient("b")}`)]),
    );
    const { records, quarantine } = await land([file]);
    expect(records.map((r) => r.id)).toEqual(["a", "b"]);
    expect(quarantine).toMatchObject([{ reason: "invalid-utf8", base64: bad.toString("base64"), line: 2 }]);
  });

  it("takes in a log and other JSON as not a resource", async () => {
    const { quarantine } = await land([
      make("log.ndjson", '{"exportId":"e"}\n[1]\n"x"\n{"resourceType":"Foo","id":"1"}\n'),
    ]);
    expect(quarantine.map((q) => q.reason)).toEqual([
      "not-a-resource",
      "not-a-resource",
      "not-a-resource",
      "unknown-resource-type",
    ]);
  });

  it("keeps the first 64 KiB of a long piece, cut between characters", async () => {
    const bad = `{"resourceType":"Patient","id":"a b","x":"${"\u00e9".repeat(100_000)}"}`;
    const { quarantine } = await land([make("p.ndjson", bad)]);
    const [record] = quarantine;
    expect(record).toMatchObject({ cut: true, length: Buffer.byteLength(bad), reason: "invalid-id" });
    expect(bad.startsWith(record!.text!)).toBe(true);
    expect(Buffer.byteLength(record!.text!)).toBeGreaterThan(65_530);
    expect(record!.sha256).toBe(createHash("sha256").update(bad).digest("hex"));
  });

  it("takes a resource of 20 MB only when the limit is raised", async () => {
    const big = `{"resourceType":"Binary","id":"big","data":"${"QUJD".repeat(5_000_000)}"}`;
    const file = make("p.ndjson", `${patient("a")}\n${big}\n${patient("b")}\n`);
    const { records, quarantine } = await land([file]);
    expect(records.map((r) => r.id)).toEqual(["a", "b"]);
    expect(quarantine).toMatchObject([{ reason: "too-large", line: 2, length: big.length, cut: true }]);
    expect(quarantine[0]!.sha256).toBe(createHash("sha256").update(big).digest("hex"));
    const raised = await land([file], { limits: { maxLineBytes: 32 * 1024 * 1024 } });
    expect(raised.records.map((r) => r.id)).toEqual(["a", "big", "b"]);
    expect(raised.records[1]!.raw.equals(Buffer.from(big))).toBe(true);
  });

  it("takes depth bombs for what they are", async () => {
    const deep = `{"resourceType":"Patient","id":"d","x":${"[".repeat(40_000)}${"]".repeat(40_000)}}`;
    const { quarantine, records } = await land([make("p.ndjson", `${deep}\n${patient("a")}`)]);
    expect(quarantine).toMatchObject([{ reason: "too-deep" }]);
    expect(records).toHaveLength(1);
  });

  it("ends the run when there is more of it than allowed", async () => {
    const file = make("p.ndjson", "x\n".repeat(11));
    const run = land([file], { limits: { maxQuarantined: 10 } });
    await expect(run).rejects.toMatchObject({
      code: "ingestion/too-many-quarantined",
      kind: "invalid-input",
    });
    expect((await land([file], { limits: { maxQuarantined: 11 } })).quarantine).toHaveLength(11);
  });
});

describe("input that is cut short", () => {
  const lines = Array.from({ length: 50 }, (_, i) => patient(`p${i}`, `,"multipleBirthInteger":${i}`));
  const text = `${lines.join("\n")}\n`;

  it("at any byte of a plain file keeps all whole lines and refuses the half one", async () => {
    for (let cut = 0; cut < text.length; cut += 41) {
      const { records, quarantine, manifest } = await land([make("p.ndjson", text.slice(0, cut))]);
      const part = text.slice(0, cut);
      const whole = part.split("\n").filter((line) => line.endsWith("}"));
      expect(records.map((r) => r.text)).toEqual(whole);
      const rest = part.slice(part.lastIndexOf("\n") + 1);
      expect(quarantine.map((q) => [q.reason, q.text])).toEqual(
        rest === "" || rest.endsWith("}") ? [] : [["truncated", rest]],
      );
      expect(manifest.counts.lines).toBe(whole.length + quarantine.length);
    }
  });

  it("at any byte of a gzip file keeps whole lines, refuses the rest and reports the file", async () => {
    const packed = gzipSync(text);
    for (let cut = 18; cut < packed.length; cut += 23) {
      const file = make("p.ndjson.gz", packed.subarray(0, cut));
      const { records, quarantine, manifest } = await land([file]);
      expect(records.map((r) => r.text)).toEqual(lines.slice(0, records.length));
      expect(quarantine).toHaveLength(1);
      expect(quarantine[0]).toMatchObject({ reason: "truncated-gzip", line: records.length + 1 });
      expect(text.startsWith(records.map((r) => `${r.text}\n`).join("") + quarantine[0]!.text!)).toBe(true);
      expect(manifest.problems).toMatchObject([{ input: file, code: "truncated-gzip" }]);
    }
  });

  it("does not keep other files from being read", async () => {
    const inputs = [make("a.ndjson.gz", gzipSync(text).subarray(0, -20)), make("b.ndjson", patient("b"))];
    const { records } = await land(inputs);
    expect(records.at(-1)!.id).toBe("b");
  });
});
