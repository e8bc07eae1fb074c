export type { Hold } from "./hold.js";
export { LiveLake, type LiveLakeOptions, type LiveState } from "./live-lake.js";
export type { ReadPoint } from "./read-point.js";
