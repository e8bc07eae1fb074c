import { utcInstantText } from "../calendar.js";
import type { Fact } from "../fact.js";

/** One resource as a line of NDJSON, without the line end. */
export interface ResourceText {
  readonly type: string;
  readonly id: string;
  readonly text: string;
}

/** How resources are written. */
export interface RenderOptions {
  /** False leaves `meta` out altogether, as old exporters do. */
  readonly meta: boolean;
}

const US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-";

/** The start of a resource up to and including `meta`, without a closing brace or comma. `profile` is the US Core name. */
export function head(type: string, fact: Fact, options: RenderOptions, profile?: string): string {
  const start = `{"resourceType":"${type}","id":"${fact.id}"`;
  if (!options.meta) return start;
  const profiles = profile === undefined ? "" : `,"profile":["${US_CORE}${profile}"]`;
  return `${start},"meta":{"versionId":"${fact.version}","lastUpdated":"${utcInstantText(fact.updatedAtMs)}"${profiles}}`;
}
