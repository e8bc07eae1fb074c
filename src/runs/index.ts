export type { RunsErrorCode } from "./errors.js";
export { keepLease, LEASE_TIMES, Lease, type LeaseContext, type LeaseTimes, leaseHolder } from "./lease.js";
export { Ledger, type LedgerContext, OpenRun, sourceLease } from "./ledger.js";
export { hasEnded, type ProcessIdentity, thisProcess } from "./process-identity.js";
export { newRunId } from "./run-id.js";
export type { RunRecord, RunState, RunType } from "./run-record.js";
export { type LeaseRequest, withLease } from "./with-lease.js";
