import type { FhirHttp } from "../http/index.js";
import { HistoryWalk } from "./history-walk.js";
import type { Page, PageEntry } from "./page.js";
import { floorSecond } from "./search-instant.js";
import { SourceClient } from "./source-client.js";
import { TypeSearch } from "./window.js";
import { WindowWalk } from "./window-walk.js";

/** What to ask for. */
export interface PollRequest {
  readonly http: FhirHttp;
  readonly type: string;
  /** The server's time in milliseconds from which on changes are asked for. */
  readonly sinceMs: number;
  readonly pageSize: number;
  /** Read the type's history, which tells deletes and every version, instead of searching by time. */
  readonly history: boolean;
  readonly signal?: AbortSignal;
}

/** A version or a delete as a server tells it. */
export interface PolledChange {
  /** `named`: it changed, but what was shown of it is not whole (or nothing was). */
  readonly kind: "update" | "delete" | "named";
  readonly type: string;
  readonly id: string;
  readonly versionId: string | undefined;
  /** FHIR instant as the server wrote it. */
  readonly lastUpdated: string | undefined;
  /** UTF-8 text of the resource on one line; of an update only. */
  readonly body: Buffer | undefined;
}

/** What is known once everything was read. */
export interface PollEnd {
  /** The server's clock when it began to answer: the next look may begin there, less an overlap. Undefined when it does not tell. */
  readonly serverMs: number | undefined;
  /** False when the server has no such history (any more): what it had to tell is then not known. */
  readonly isOffered: boolean;
  /** False when the server said itself that something was lacking, or showed entries that name nothing. */
  readonly isComplete: boolean;
}

/** Takes the changes of one page, in no particular order; what lies before `sinceMs` by a second may be among them. */
export type TakePolled = (changes: readonly PolledChange[]) => Promise<void>;

function changeOf(entry: PageEntry): PolledChange[] {
  const { type, id, versionId, timeText: lastUpdated, deleted, subsetted, text } = entry;
  if (id === "") return [];
  const told = { type, id, versionId, lastUpdated };
  if (deleted) return [{ ...told, kind: "delete", body: undefined }];
  if (text === undefined || subsetted) return [{ ...told, kind: "named", body: undefined }];
  return [{ ...told, kind: "update", body: Buffer.from(text, "latin1") }];
}

function isLacking(entries: readonly PageEntry[], { issues }: Page): boolean {
  return (
    issues.some(({ severity }) => severity === "error" || severity === "fatal") ||
    entries.some(({ id }) => id === "")
  );
}

/**
 * Everything of a type that changed since a time, page by page: the next one is asked for when the one before was taken, so that however much
 * changed, one page of it is held. A search tells the newest versions only and no deletes; a history tells both. Errors:
 * `source/search-refused`, `source/page-loop`, `source/pages-expired`, those of requests and of `take`; pages taken before an error stay taken.
 */
export async function pollType(request: PollRequest, take: TakePolled): Promise<PollEnd> {
  const { type, pageSize } = request;
  const client = new SourceClient(request.http, request.signal);
  const sinceMs = floorSecond(request.sinceMs);
  let serverMs: number | undefined;
  let isComplete = true;
  if (!request.history) {
    const walk = new WindowWalk(new TypeSearch(client, type, pageSize), { from: sinceMs, to: undefined });
    let first = true;
    for await (const { entries, page } of walk.steps()) {
      if (first) serverMs = page.serverMs;
      first = false;
      if (isLacking(entries, page)) isComplete = false;
      await take(entries.flatMap(changeOf));
    }
    return { serverMs, isOffered: true, isComplete };
  }
  const steps = new HistoryWalk({ client, type, sinceMs, pageSize }).steps();
  for (let first = true; ; first = false) {
    const step = await steps.next();
    if (step.done === true) return { serverMs, isOffered: step.value, isComplete };
    if (first) serverMs = step.value.page.serverMs;
    const { entries, page } = step.value;
    if (isLacking(entries, page)) isComplete = false;
    await take(entries.filter((entry) => entry.type === type).flatMap(changeOf));
  }
}
