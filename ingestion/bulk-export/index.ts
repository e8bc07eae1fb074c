export { cancelExport, type ExportPlace, exportBulk, finishExport } from "./export.js";
export type { ExportEvent, ExportLevel, ExportOptions, ExportProgress, ExportRequest } from "./options.js";
