export { cancelExport, type ExportPlace, exportBulk, finishExport } from "./export.js";
export type { ExportEvent, ExportLevel, ExportOptions, ExportProgress, ExportRequest } from "./options.js";
export { type ReferenceSearch, writeNamedResources } from "./references.js";
export { fetchReferenced, type SecondPassOptions, type SecondPassResult } from "./second-pass.js";
