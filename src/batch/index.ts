export { type BuildViewsOptions, buildViews, dueViews } from "./build-views.js";
export { type CommitLandingOptions, commitLanding, type LandingOutcome } from "./commit-landing.js";
export { otherOrder } from "./errors.js";
export {
  compareIds,
  type IdComparison,
  type IdComparisonCounts,
  type IdComparisonRequest,
  type PresentIds,
} from "./reconcile.js";
export {
  type ReferenceCounts,
  type ReferencesRequest,
  unresolvedReferences,
} from "./unresolved-references.js";
export { loadViews, type RegisteredView, registerView, shippedViewsDirectory } from "./view-registry.js";
