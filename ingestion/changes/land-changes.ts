import type { Definitions } from "#fhir";
import { type Change, type LandingManifest, LandingWriter, type OrderPolicy, writeManifest } from "#landing";
import { ResourceScanner } from "../ndjson/scanner.js";
import { DEFAULT_LIMITS } from "../pipeline/settings.js";

/** What to land. */
export interface LandChangesOptions {
  /** Changes of one source, in journal order. */
  readonly changes: AsyncIterable<readonly Change[]>;
  readonly source: string;
  readonly policy: OrderPolicy;
  /** An existing, empty folder. After an error its content is to be thrown away. */
  readonly landingDir: string;
  readonly sequence: number;
  readonly acceptedAt: Date;
  readonly definitions: Definitions;
}

const LF = 0x0a;

/** Writes changes with the order keys they got when they were accepted, and notes which elements they use. */
class ChangeSink {
  readonly writer: LandingWriter;
  private readonly scanner: ResourceScanner;
  accepted = 0;

  constructor(options: LandChangesOptions) {
    const { landingDir, definitions } = options;
    this.writer = new LandingWriter({ landingDir, targetFileBytes: DEFAULT_LIMITS.targetFileBytes });
    this.scanner = new ResourceScanner(definitions, { maxDepth: DEFAULT_LIMITS.maxDepth });
  }

  add(change: Change): void {
    const bytes = Buffer.from(`${change.raw}\n`);
    const end = bytes.length - 1;
    bytes[end] = LF;
    if (change.kind === "U") {
      this.scanner.scan(bytes, 0, end);
      this.scanner.keep();
    }
    this.writer.append(change.type, change, bytes, 0, end);
    this.accepted++;
  }

  observed(): LandingManifest["observed"] {
    const observed: Record<string, string[]> = {};
    for (const root of this.scanner.observations()) {
      const paths = root.observedPaths();
      if (paths.length > 0) observed[root.type] = [...paths];
    }
    return observed;
  }
}

/**
 * Leaves a complete landing of changes that were accepted one at a time, so that they are committed like any other landing.
 * Answers its manifest. Errors: `storage/disk-full`, `storage/io`.
 */
export async function landChanges(options: LandChangesOptions): Promise<LandingManifest> {
  const sink = new ChangeSink(options);
  try {
    for await (const batch of options.changes) for (const change of batch) sink.add(change);
    const files = sink.writer.finish();
    const { accepted } = sink;
    const manifest: LandingManifest = {
      version: 1,
      sequence: options.sequence,
      source: options.source,
      policy: options.policy,
      acceptedAt: options.acceptedAt.toISOString(),
      fhirVersion: options.definitions.version,
      files: files.sort((a, b) => (a.path < b.path ? -1 : 1)),
      observed: sink.observed(),
      unknownElements: {},
      counts: { lines: accepted, blank: 0, quarantined: 0, accepted, unpacked: 0, entries: 0, skipped: 0 },
      inputs: [{ name: "journal", sizeBytes: null }],
      problems: [],
    };
    await writeManifest(options.landingDir, manifest);
    return manifest;
  } catch (error) {
    sink.writer.abandon();
    throw error;
  }
}
