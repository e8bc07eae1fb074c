import { isLakeError } from "#kernel";
import { parsePage } from "./page.js";
import { instantText } from "./search-instant.js";
import type { SourceClient } from "./source-client.js";
import { TypeSearch } from "./window.js";

/**
 * What becomes of `_lastUpdated`: `honoured`; `ignored` (everything is found); `refused`; `unknown` (nothing there to tell by, or the server
 * does not count); `no-search`: the type cannot be searched at all.
 */
export type WindowSupport = "honoured" | "ignored" | "refused" | "unknown" | "no-search";

/** Whether an error says that the server does not do it, or not for us. */
function isRefusal(error: unknown): boolean {
  return isLakeError(error) && error.kind !== "unavailable" && !isLakeError(error, "source/unauthorized");
}

async function countOf(search: TypeSearch, to: number | undefined): Promise<number | undefined | "refused"> {
  try {
    return (await search.count({ from: undefined, to })).total;
  } catch (error) {
    if (isRefusal(error)) return "refused";
    throw error;
  }
}

/** Asks for resources from before 1970, of which there are none. */
export async function probeWindows(client: SourceClient, type: string): Promise<WindowSupport> {
  const search = new TypeSearch(client, type, 1);
  const all = await countOf(search, undefined);
  if (all === "refused") return "no-search";
  const impossible = await countOf(search, 0);
  if (impossible === "refused") return "refused";
  if (impossible === undefined) return "unknown";
  if (impossible > 0) return "ignored";
  return all === undefined || all === 0 ? "unknown" : "honoured";
}

/** Whether there is a history of a type, or of the system when `type` is undefined. */
export async function probeHistory(client: SourceClient, type: string | undefined): Promise<boolean> {
  // The last seconds only: a server that builds the whole history for one page would take long.
  const since = instantText(client.http.clock.now().getTime() - 60_000);
  const answer = await client.history(type, { _count: "1", _since: since });
  if (answer.status !== 200) return false;
  try {
    parsePage(answer, "a history");
    return true;
  } catch (error) {
    if (isLakeError(error, "source/not-a-bundle")) return false;
    throw error;
  }
}
