export {
  type CompletenessRequest,
  type CompletenessResult,
  type CountComparison,
  checkCompleteness,
  type SampleDifference,
  type SampleResource,
} from "./check-completeness.js";
export { type ContentComparison, compareContent } from "./same-content.js";
