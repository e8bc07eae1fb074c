import { LakeError } from "#kernel";
import type { OrderPolicy } from "#landing";

/** Versions of a source would be ordered by another rule than those that are there: mixed keys do not compare. */
export function otherOrder(source: string, known: OrderPolicy, given: OrderPolicy): LakeError {
  return new LakeError(
    "conflict",
    "batch/order-policy",
    `Versions of the source '${source}' are ordered by ${known}, not by ${given}; say "order": "${known}" in its configuration (--order ${known}), or use another source name.`,
    { details: { source, known, given } },
  );
}
