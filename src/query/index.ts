export type { LakeCatalog, SnapshotReader, SnapshotSummary, SnapshotView, ViewColumn } from "./catalog.js";
