import type { Definitions, Shape } from "#fhir";
import { duckdbNdjsonRelation, type ViewSource } from "#sql";

/** NDJSON files as a source of one resource type. */
export interface NdjsonRelationOptions {
  /** Paths of NDJSON files (plain or gzip); lines of other resource types are left out. */
  readonly files: readonly string[];
  readonly resourceType: string;
  /** A struct: what to read, usually a view's `requiredShape`. */
  readonly shape: Shape;
  readonly definitions: Definitions;
  /** Name of the source in keys; '' (the default) gives keys without a source. */
  readonly source?: string;
  /** Longest line accepted, in bytes; 16 MiB by default. The reader sets aside several buffers of this size. */
  readonly maxLineBytes?: number;
}

/**
 * A source that reads NDJSON files in place, for one-shot runs and tests. The resource key is `Type/id`. Decimals keep their written
 * digits. A value that has another JSON type than FHIR demands is NULL; a line that is no JSON object with a resourceType stops the statement
 * (`view/bad-line`, or the engine's own words for broken JSON).
 */
export function ndjsonRelation(options: NdjsonRelationOptions): ViewSource {
  return duckdbNdjsonRelation(options);
}
