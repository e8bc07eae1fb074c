import type { StoredEvent } from "#events";

/** A resource that a notification named without showing it. */
export interface NamedResource {
  readonly type: string;
  readonly id: string;
}

/** Each resource that the events of a `fetch/` stream name once, however often they do. A subject that was erased has no name any more. */
export function namedResources(events: readonly StoredEvent[]): NamedResource[] {
  const named = new Map<string, NamedResource>();
  for (const { data, payload } of events) {
    if (payload === undefined) continue;
    const { type } = data as { type: string };
    named.set(`${type}/${payload}`, { type, id: payload });
  }
  return [...named.values()];
}
