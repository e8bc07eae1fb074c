/**
 * A synthetic population for demonstrations, tests and benchmarks: FHIR R4 records that look like those of US clinics,
 * with a table of what is true of each patient. Nobody in it exists.
 *
 * Everything follows from the seed. Patient `i` depends on the seed and `i` alone, so a larger population begins with a
 * smaller one, and a record can be made by itself. `story/` tells lives as facts, `render/` writes facts as FHIR JSON text,
 * `update/` changes charts night by night, `table/` holds codes, names and weights.
 *
 * Distributions: age by a quantile table over an even sequence; use of care log-normal (median 0.76, sigma 0.57), which
 * makes resources per patient log-normal too (median about 270, mean 325); illnesses Poisson with weighted tables; chronic
 * diseases by share per age band; measurements normal around a level of the person's own; type 2 diabetes and its near
 * misses by a second even sequence, so that small populations have every kind.
 *
 * Files of {@link generatePopulation}:
 * - `<Type>.ndjson`: the records as of 2025-01-01; nothing in them is later.
 * - `truth.csv`: {@link TruthRow} per patient; `truth.json`: {@link PopulationTotals}, written last.
 * - `batch-001/`, `batch-002/`, ...: what changed on each following day (`<Type>.ndjson`, `deleted.ndjson` with Bundles of
 *   DELETE requests) and `truth.csv` for the patients concerned, as of that night.
 */
export {
  GENERATOR_VERSION,
  generatePopulation,
  MOST_PATIENTS,
  type PopulationOptions,
  type PopulationProgress,
  type PopulationTotals,
} from "./generate.js";
export type { FileSummary } from "./output.js";
export { type PatientRecord, patientRecord, type RecordOptions, sharedResources } from "./record.js";
export type { ResourceText } from "./render/resource.js";
export type { PeopleTotals } from "./totals.js";
export { TRUTH_COLUMNS, type TruthRow } from "./truth.js";
export type { BatchTotals } from "./update/batch-folder.js";
