import type { Chart } from "./chart.js";
import { facilitiesOf } from "./facility.js";
import { chartTexts } from "./render/chart.js";
import { facilityTexts } from "./render/facility.js";
import type { ResourceText } from "./render/resource.js";
import { tellLife } from "./story/life.js";
import { type TruthRow, truthOf } from "./truth.js";

/** What shapes every record, beside seed and index. */
export interface RecordOptions {
  /** How often people seek care: 1 (the default) gives about 320 resources per patient. From 0.1 to 4. */
  readonly density?: number;
  /** False leaves out `meta` (versionId, lastUpdated, profile); default true. */
  readonly meta?: boolean;
}

/** One patient's resources and what is true of the patient. */
export interface PatientRecord {
  /** The Patient first, then type by type; references point here or to {@link sharedResources}. */
  readonly resources: readonly ResourceText[];
  readonly truth: TruthRow;
}

/**
 * The record of patient `index` (from 0) of a seed: the same whatever the size of the population and whatever was
 * generated before. A record takes about a megabyte of memory while it is used.
 */
export function patientRecord(seed: number, index: number, options: RecordOptions = {}): PatientRecord {
  const chart: Chart = tellLife(seed, index, options.density ?? 1);
  return { resources: chartTexts(chart, { meta: options.meta ?? true }), truth: truthOf(chart) };
}

/** The organizations, locations, practitioners and roles of a seed: about 490 resources that all patients share. */
export function sharedResources(seed: number, options: RecordOptions = {}): Iterable<ResourceText> {
  return facilityTexts(facilitiesOf(seed), { meta: options.meta ?? true });
}
