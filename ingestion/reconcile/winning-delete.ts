import { instantHex, instantNs, type OrderPolicy, parseInstant } from "#landing";
import { type DeleteFacts, instantText } from "../search/index.js";
import type { VanishedResource } from "./vanished-file.js";

const NS_PER_MS = 1_000_000n;
const NS_PER_SECOND = 1_000_000_000n;

/** A FHIR instant with nanoseconds. */
function nsText(ns: bigint): string {
  const seconds = instantText(Number(ns / NS_PER_MS)).slice(0, 19);
  return `${seconds}.${String(ns % NS_PER_SECOND).padStart(9, "0")}Z`;
}

/** True when the lake's version of the resource is of a later time than the list: it may have come about after it. */
export function isYounger({ order }: VanishedResource, policy: OrderPolicy, listedAt: string): boolean {
  const time = policy === "time" ? order.slice(0, 16) : order.slice(16, 32);
  const listed = parseInstant(listedAt);
  return listed === undefined || time > instantHex(listed);
}

/**
 * A delete that is newer than the lake's version of the resource, by whatever orders its source: for `time` the later of `at` (the
 * server's time of the list) and just after that version; for `version` the number after it.
 */
export function winningDelete(vanished: VanishedResource, policy: OrderPolicy, at: string): DeleteFacts {
  const { type, id, order } = vanished;
  const primary = BigInt(`0x${order.slice(0, 16)}`);
  if (policy === "version") return { type, id, lastModified: at, versionId: String(primary + 1n) };
  const listed = instantNs(at) ?? 0n;
  return { type, id, lastModified: listed > primary ? at : nsText(primary + 1n) };
}
