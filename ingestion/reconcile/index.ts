export { checkDeleteCap, type DeleteCap, overCap, type TypeVanished } from "./delete-cap.js";
export { type FetchMissingRequest, fetchMissing } from "./fetch-missing.js";
export {
  type ReconcileCounts,
  type ReconcileRequest,
  type ReconcileResult,
  reconcileDeletes,
} from "./reconcile-deletes.js";
export { readVanished, type VanishedResource } from "./vanished-file.js";
export { winningDelete } from "./winning-delete.js";
