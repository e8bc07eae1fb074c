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
