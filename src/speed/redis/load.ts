import type { EventStore } from "#events";
import type { LoadRequest } from "../live-store.js";
import type { SharedState, Standing } from "./shared-state.js";

const PAGE = 200;

/** True when the state holds everything that the request's snapshot does not. */
function suffices({ base, position, floors }: Standing, { needed, covered }: LoadRequest): boolean {
  // What was let go under a later snapshot than this one would be missed.
  const letGo = [...floors].some(([source, floor]) => covered(source) < floor);
  return base <= needed && position >= needed && !letGo;
}

/**
 * Hands over the newest versions that Redis holds. Answers the position from which on the changes complete them, or undefined when the
 * state is not whole, not this journal's, or was begun anew meanwhile.
 */
export async function loadShared(
  journal: EventStore,
  state: SharedState,
  request: LoadRequest,
): Promise<number | undefined> {
  const start = await state.look();
  if (typeof start === "string" || !suffices(start, request)) return undefined;
  if (start.position > (await journal.head())) return undefined;
  if (start.position > 0 && start.mark?.position !== start.position) return undefined;
  // Versions that the snapshot covers may be gone from the journal, which then could not confirm them.
  for (let after = request.needed; ; ) {
    const page = await state.page(start.generation, after, PAGE);
    if (page === undefined) return undefined;
    if (page.events.length === 0) break;
    // Fails when one of them is not the journal's.
    const events = await journal.open(page.events, start.mark === undefined ? [] : [start.mark]);
    await request.handle(events);
    after = page.last;
  }
  const end = await state.look();
  if (typeof end === "string" || end.generation !== start.generation || !suffices(end, request))
    return undefined;
  // What was erased while it was read may have been handed over before.
  return end.erasedAt > start.position ? undefined : start.position;
}
