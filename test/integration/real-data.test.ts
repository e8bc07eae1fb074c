import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { loadViews, shippedViewsDirectory } from "#batch";
import { Lake } from "#lake";
import { ingestNdjson } from "../../src/app/ingest.js";
import { sharedFolder } from "../support/shared.js";

const shared = sharedFolder();
const data = path.join(shared ?? "", "data");

function sourceLines(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => /\.ndjson(\.gz)?$/.test(name))
    .flatMap((name) => {
      const bytes = readFileSync(path.join(folder, name));
      const text = name.endsWith(".gz") ? gunzipSync(bytes) : bytes;
      return text
        .toString("utf8")
        .split("\n")
        .filter((line) => line !== "");
    });
}

const hash = (text: string): string => createHash("sha256").update(text).digest("hex");

describe.skipIf(shared === undefined)("real data sets, each in a lake of its own", () => {
  it.each(["synthea-small", "synthea-bulk-10", "au-core", "edge-cases"])(
    "%s: counts reconcile, the text is byte-identical, all views build, a second run stores nothing",
    async (name) => {
      const folder = path.join(data, name);
      const lake = await Lake.open({ location: mkdtempSync(path.join(tmpdir(), `fhir-lake-${name}-`)) });
      const views = await loadViews([shippedViewsDirectory()], lake.definitions);
      const request = { inputs: [folder], source: name, policy: "time" as const, views };
      const first = await ingestNdjson(lake, request);
      const { counts } = first;
      expect(counts.stored + counts.superseded + counts.unchanged + counts.quarantined + counts.blank).toBe(
        counts.lines,
      );

      const head = await lake.head();
      const lines = new Map(sourceLines(folder).map((line) => [hash(line), line]));
      expect([...lines].length).toBeGreaterThanOrEqual(counts.stored);
      let stored = 0;
      for (const table of Object.values(head.tables)) {
        const paths = await lake.paths(table.layers.flatMap((layer) => layer.files));
        for (const file of paths) {
          const rows = await lake.database.with((c) =>
            c.rows<{ raw: string }>(`SELECT raw FROM read_parquet('${file}')`),
          );
          for (const { raw } of rows) expect(lines.has(hash(raw))).toBe(true);
          stored += rows.length;
        }
      }
      expect(stored).toBe(counts.stored);

      const notReady = Object.entries(head.views).filter(([, view]) => view.state !== "ready");
      expect(notReady.map(([view]) => view)).toEqual([]);
      const second = await ingestNdjson(lake, request);
      expect(second.snapshot).toBeUndefined();
      expect(second.counts.stored).toBe(0);
      expect((await lake.head()).id).toBe(head.id);
      await lake.close();
    },
    180_000,
  );
});
