import { DAY, dayOf, momentOf } from "./calendar.js";

/** The local day on which a generated population is taken: nothing in it happened later. */
export const POPULATION_DAY = dayOf(2025, 1, 1);
/** The moment at which that day begins. Batch 1 covers the 24 hours that follow, batch 2 the next, and so on. */
export const POPULATION_DATE = momentOf(POPULATION_DAY, 0);
/** Detailed records (visits, measurements, claims) begin ten years before; older history is kept in outline. */
export const DETAIL_START = momentOf(dayOf(2015, 1, 1), 0);
/** When the system that exports the records went live: nothing was stored in it earlier. */
export const GO_LIVE = momentOf(dayOf(2016, 6, 1), 0);

/** The 24 hours of a batch (numbered from 1), in seconds since 1970; the end is not included. */
export function batchHours(batch: number): { readonly from: number; readonly to: number } {
  return { from: POPULATION_DATE + (batch - 1) * DAY, to: POPULATION_DATE + batch * DAY };
}
