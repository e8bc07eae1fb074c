import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { loadViews, shippedViewsDirectory } from "#batch";
import { Lake } from "#lake";
import { generatePopulation } from "#synthetic";
import { ingestNdjson } from "../../src/app/ingest.js";
import { type LakeServer, type ServeOptions, serveLake } from "../../src/app/serve.js";

/** A synthetic population in a lake with shipped views. */
export interface ServedPopulation {
  readonly lake: Lake;
  /** The temporary folder that everything is in. */
  readonly folder: string;
  /** Its views. */
  readonly views: Awaited<ReturnType<typeof loadViews>>;
  /** Serves the lake on a free port; stopped by `close`. */
  serve(options?: Partial<ServeOptions>): Promise<LakeServer>;
  close(): Promise<void>;
}

/** Makes one of so many patients, always the same, with all shipped views or those named. */
export async function servedPopulation(
  patients: number,
  names?: readonly string[],
): Promise<ServedPopulation> {
  const folder = await mkdtemp(path.join(tmpdir(), "fhir-lake-served-"));
  const outDir = path.join(folder, "population");
  await generatePopulation({ patients, seed: 11, outDir, density: 0.2 });
  const lake = await Lake.open({ location: path.join(folder, "lake") });
  const files = (await readdir(outDir)).filter((name) => name.endsWith(".ndjson"));
  const shipped = await loadViews([shippedViewsDirectory()], lake.definitions);
  const views = new Map([...shipped].filter(([name]) => names?.includes(name) ?? true));
  await ingestNdjson(lake, {
    inputs: files.map((name) => path.join(outDir, name)),
    source: "main",
    policy: "time",
    views,
  });
  const running: LakeServer[] = [];
  return {
    lake,
    folder,
    views,
    serve: async (options = {}) => {
      const server = await serveLake(lake, { host: "127.0.0.1", port: 0, compaction: false, ...options });
      running.push(server);
      return server;
    },
    close: async () => {
      for (const server of running) await server.close();
      await lake.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
