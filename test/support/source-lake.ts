import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { loadViews, shippedViewsDirectory } from "#batch";
import { type Config, parseConfig } from "#config";
import { quoteLiteral } from "#duckdb";
import { systemWaitingClock } from "#ingestion";
import { Lake } from "#lake";
import type { RunContext } from "../../src/app/source-run/context.js";
import { runSource } from "../../src/app/source-run/run-source.js";
import { Turn } from "../../src/app/source-run/turn.js";
import { currentRows } from "./current-rows.js";
import type { FhirServer } from "./fhir-server/index.js";

/** A lake of a test with one source, `main`. */
export class SourceLake {
  readonly lake: Lake;
  readonly config: Config;
  readonly context: RunContext;

  private constructor(lake: Lake, config: Config, context: RunContext) {
    this.lake = lake;
    this.config = config;
    this.context = context;
  }

  /** Opens a new lake, or that at `location`, for a source with these settings. */
  static async open(
    source: Readonly<Record<string, unknown>>,
    more: {
      readonly location?: string;
      readonly views?: boolean;
      readonly config?: Readonly<Record<string, unknown>>;
    } = {},
  ): Promise<SourceLake> {
    const location = more.location ?? (await mkdtemp(path.join(tmpdir(), "fhir-lake-source-")));
    const config = parseConfig({ ...more.config, sources: { main: source } }, "test");
    const lake = await Lake.open({ location });
    const views =
      more.views === true ? await loadViews([shippedViewsDirectory()], lake.definitions) : new Map();
    return new SourceLake(lake, config, { lake, clock: systemWaitingClock, config, views, turn: new Turn() });
  }

  /** Runs the source once and answers the outcome. */
  run(more: Partial<Parameters<typeof runSource>[1]> = {}): ReturnType<typeof runSource> {
    const source = {
      name: "main",
      config: this.config.sources["main"]!,
      folder: ".",
      environment: process.env,
    };
    return runSource(this.context, { source, trigger: "command", ...more });
  }

  /** `Type/id` to the source text of every live resource. */
  async live(): Promise<Map<string, string>> {
    return currentRows(this.lake, `WHERE NOT _lake_deleted AND _lake_source = ${quoteLiteral("main")}`);
  }

  close(): Promise<void> {
    return this.lake.close();
  }
}

/** `Type/id` to the text of every live resource of a server. */
export function serverRows(server: FhirServer, types: readonly string[]): Map<string, string> {
  const rows = new Map<string, string>();
  for (const type of types) {
    for (const { id, text } of server.store.live(type)) rows.set(`${type}/${id}`, String(text!.read()));
  }
  return rows;
}
