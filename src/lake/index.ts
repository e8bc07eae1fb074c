export { type AddedLayer, addVersions, type LandedType, withLayer } from "./add-versions.js";
export { type BackupOptions, type BackupReport, backUp, type ExtraFile } from "./backup/back-up.js";
export { generations, newestGeneration, readGeneration } from "./backup/generation.js";
export { type PruneReport, pruneBackups } from "./backup/prune.js";
export { type RepairReport, repairFromBackup } from "./backup/repair.js";
export {
  type RestoreBackupOptions,
  type RestoreBackupReport,
  restoreBackup,
} from "./backup/restore-backup.js";
export { beginLanding, type LandingPlace } from "./begin-landing.js";
export type { Classification } from "./classify.js";
export { commit, toolVersion } from "./commit.js";
export { planCompaction } from "./compaction-plan.js";
export {
  allowReturn,
  type EraseOptions,
  type ErasureHook,
  type ErasureReport,
  type ErasureWish,
  erase,
  prepareErasure,
  resumeErasures,
} from "./erasure/erase.js";
export { type ErasedTest, erasedAt, erasedBy } from "./erasure/erased.js";
export {
  type ErasureRequest,
  type MentionPolicy,
  parseResourceName,
  type RecordedErasure,
  type ResourceName,
  readOutcome,
  recordedErasures,
} from "./erasure/request.js";
export { DISPENSABLE_LABEL } from "./erasure/scrub.js";
export { TextMatch } from "./erasure/text-match.js";
export { History } from "./history.js";
export { Lake, type LakeOptions } from "./lake.js";
export { lakeId } from "./lake-id.js";
export { type LandedResources, landedResources } from "./landed-resources.js";
export { type AdoptedJournal, adoptJournal } from "./operations/adopt-journal.js";
export { type CompactOptions, compact, compactionDue } from "./operations/compact.js";
export { type KeepCompactOptions, keepCompact } from "./operations/keep-compact.js";
export { type FormatReport, formatReport, migrate } from "./operations/migrate.js";
export { type OrphanReport, orphans } from "./operations/orphans.js";
export { planRestore, type RestorePlan, restoreSnapshot } from "./operations/restore.js";
export { type VacuumOptions, type VacuumReport, vacuum } from "./operations/vacuum.js";
export { type DamagedObject, type VerifyReport, verify } from "./operations/verify.js";
export { type FileOrders, newestOrder, ordersOf } from "./orders.js";
export { findPin, type Pin, type PinRequest, pin, pins, releasePin } from "./pins.js";
export { FileWriter } from "./publish.js";
export {
  changedKeys,
  type LayerSource,
  layerResources,
  liveResources,
  type ResourceRelation,
  viewLayerRows,
  viewRows,
  viewRowsText,
} from "./relation.js";
export type { Retention } from "./retention.js";
export {
  type CompletenessState,
  type FileRef,
  filesOf,
  type IngestCounts,
  type JournalMark,
  type Operation,
  type Snapshot,
  type SnapshotChange,
  type SourceState,
  type SourceStateChange,
  type TableLayer,
  type TableState,
  type ViewColumnState,
  type ViewLayer,
  type ViewState,
} from "./snapshot.js";
export { commitLoss, endLoss, newLoss } from "./source-loss.js";
export {
  liveCounts,
  type SampledResource,
  type SampleRequest,
  sampleResources,
} from "./source-resources.js";
export { changedSource, commitSourceState, coverageWentBack } from "./source-state.js";
export { requireLakeSpace, requireSpace, type Space, spaceAt } from "./space.js";
export { landingRelation, tableShape } from "./table-layout.js";
