import { LakeError } from "#kernel";

/** Codes of the errors this module throws. */
export type RunsErrorCode =
  | "runs/lease-held"
  | "runs/lease-lost"
  | "runs/lease-contention"
  | "runs/no-such-run"
  | "runs/ambiguous-run"
  | "runs/ledger-moved";

/** Somebody else holds the lease. */
export function leaseHeld(name: string, holder: string, untilMs: number): LakeError {
  const until = new Date(untilMs).toISOString();
  return new LakeError(
    "conflict",
    "runs/lease-held",
    `'${name}' is being run by ${holder} already (until ${until} unless it goes on); wait for it, or stop it first.`,
    { retryable: true, details: { name, holder, until } },
  );
}

/** This process had the lease and has it no more. */
export function leaseLost(name: string): LakeError {
  return new LakeError(
    "conflict",
    "runs/lease-lost",
    `The lease of '${name}' ran out or was taken over, so this run stopped; run it again if no other is at work.`,
    { retryable: true, details: { name } },
  );
}
