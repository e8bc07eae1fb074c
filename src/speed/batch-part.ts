import type { StoredEvent } from "#events";
import { erasedKeysOf } from "#landing";

/** Events of the journal of which the last one may say that resources were erased. */
export interface BatchPart {
  /** At least one, in order. */
  readonly events: readonly StoredEvent[];
  /** Hashed keys of the resources that the last event erased; undefined when it is no erasure. */
  readonly erased: readonly string[] | undefined;
}

/** A batch cut behind every erasure, which counts for what stands before it only. */
export function partsOf(events: readonly StoredEvent[]): BatchPart[] {
  const parts: BatchPart[] = [];
  let start = 0;
  for (const [i, event] of events.entries()) {
    const erased = erasedKeysOf(event);
    if (erased === undefined && i < events.length - 1) continue;
    parts.push({ events: events.slice(start, i + 1), erased });
    start = i + 1;
  }
  return parts;
}
