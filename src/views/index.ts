export type { LoweredColumn } from "./column.js";
export { type CompileWarning, type ViewProblem, viewError } from "./errors.js";
export { checkNames, ViewLowering } from "./lower.js";
export type { ColumnModel, PathExpression, SelectModel, Tag, ViewModel } from "./model.js";
export { parseView, viewJson } from "./parse.js";
export { checkProfile, type ProfileFinding, type ViewProfile } from "./profile.js";
