import { LakeError } from "#kernel";
import { instantHex, instantOfMs } from "./instant.js";

/**
 * What decides first between two versions of a resource. One policy per source, for ever:
 * `time` = meta.lastUpdated, then the numeric versionId; `version` = the numeric versionId, then the time.
 */
export type OrderPolicy = "time" | "version";

/** What an order key is made of. */
export interface OrderKeyInput {
  readonly policy: OrderPolicy;
  /** meta.lastUpdated in nanoseconds since the epoch; undefined when the resource has none. */
  readonly lastUpdatedNs: bigint | undefined;
  /** meta.versionId as written; anything but 1 to 20 decimal digits counts as 0. */
  readonly versionId: string | undefined;
  /** Stands in for a missing lastUpdated: the export's transactionTime, else the time of acceptance. */
  readonly fallbackTimeMs: number;
  readonly deleted: boolean;
  /** Number of the landing, below 2^48. */
  readonly sequence: number;
  /** Place of the record among the landing's inputs: unique, growing with input order, below 2^48. */
  readonly position: number;
  /** SHA-256 of the raw text in hex; its first 128 bits are used. */
  readonly rawHash: string;
}

/** Hex digits of an order key. */
export const ORDER_KEY_LENGTH = 16 + 16 + 2 + 12 + 12 + 32;

const U48 = 2 ** 48;
const U64_MAX = 2n ** 64n - 1n;
const ZERO = "0000000000000000";

function timeHex(ns: bigint): string {
  if (ns <= 0n) return ZERO;
  return (ns > U64_MAX ? U64_MAX : ns).toString(16).padStart(16, "0");
}

/** 16 hex digits that compare as numeric versionIds do; all zeros when the text is no number below 2^64. */
export function versionHex(versionId: string): string {
  const length = versionId.length;
  if (length === 0 || length > 20) return ZERO;
  for (let i = 0; i < length; i++) {
    const code = versionId.charCodeAt(i);
    if (code < 48 || code > 57) return ZERO;
  }
  if (length <= 15) return Number(versionId).toString(16).padStart(16, "0");
  const value = BigInt(versionId);
  return value > U64_MAX ? ZERO : value.toString(16).padStart(16, "0");
}

/** 12 hex digits of a whole number below 2^48. */
export function u48Hex(value: number): string {
  if (!Number.isInteger(value) || value < 0 || value >= U48) {
    throw new LakeError(
      "invalid-input",
      "landing/position-range",
      "One landing holds at most 2^48 positions; ingest the input in several runs.",
      { details: { value } },
    );
  }
  return value.toString(16).padStart(12, "0");
}

/** The parts of an order key, each already fixed-width hex; the hot path of the ingestion keeps most of them ready. */
export interface OrderKeyParts {
  readonly policy: OrderPolicy;
  /** 16 digits from {@link instantHex}. */
  readonly time: string;
  /** 16 digits from {@link versionHex}. */
  readonly version: string;
  readonly deleted: boolean;
  /** 12 digits. */
  readonly sequence: string;
  readonly position: number;
  readonly rawHash: string;
}

/** An order key from ready parts; see {@link orderKey}. */
export function joinOrderKey(parts: OrderKeyParts): string {
  const clock = parts.policy === "time" ? parts.time + parts.version : parts.version + parts.time;
  const kind = parts.deleted ? "01" : "00";
  return `${clock}${kind}${parts.sequence}${u48Hex(parts.position)}${parts.rawHash.slice(0, 32)}`;
}

/**
 * The immutable order key of one version of a resource: 90 lowercase hex digits of fixed-width parts, so that keys
 * compare as text exactly as the rule says (architecture, section 1): by policy time then version or version then
 * time, then a delete above an update, then landing sequence, position in the landing, hash of the raw text.
 * Times before 1970 count as 1970, from 2554 on as one and the same.
 */
export function orderKey(input: OrderKeyInput): string {
  const time =
    input.lastUpdatedNs === undefined
      ? instantHex(instantOfMs(input.fallbackTimeMs))
      : timeHex(input.lastUpdatedNs);
  return joinOrderKey({
    policy: input.policy,
    time,
    version: versionHex(input.versionId ?? ""),
    deleted: input.deleted,
    sequence: u48Hex(input.sequence),
    position: input.position,
    rawHash: input.rawHash,
  });
}
