import { LakeError } from "#kernel";
import { type JsonAnswer, retryDelay } from "../http/index.js";
import { kickoffRequest } from "./request.js";
import { type ExportSession, errorDetail, redactUrl } from "./session.js";

/** The server is busy, mostly with another export of this client. */
const BUSY: ReadonlySet<number> = new Set([429, 503]);

/** Longest wait for another export of this client to end; a job whose URL was lost by a crash may block for as long as the server keeps it. */
const MAX_BUSY_MS = 24 * 3_600_000;

/** Starts the job and keeps its polling URL before anything else is done. A busy server is waited for. */
export async function kickOff(session: ExportSession): Promise<void> {
  const { options } = session;
  session.progress("kick-off");
  const givenUpAt = options.http.clock.now().getTime() + MAX_BUSY_MS;
  let answer: JsonAnswer;
  for (let failures = 1; ; failures++) {
    session.checkDeadline();
    answer = await ask(session);
    if (!BUSY.has(answer.status)) break;
    const waitMs = retryDelay({
      retryAfter: answer.headers.get("retry-after"),
      failures,
      now: options.http.clock.now(),
      maxWaitMs: session.maxWaitMs,
      random: Math.random,
    });
    if (options.http.clock.now().getTime() + waitMs > givenUpAt) throw busy(answer.status);
    session.log("status_error", { status: answer.status, waitMs });
    session.progress("kick-off", { waitMs });
    await session.wait(waitMs);
  }
  session.reached("kickoff.answered");
  const pollUrl = pollUrlOf(answer);
  await session.advance({ pollUrl, nextUrl: pollUrl }, "kickoff.saved");
  logKickoff(session, answer);
}

function busy(status: number): LakeError {
  return new LakeError(
    "unavailable",
    "source/throttled",
    `The server has refused to start an export for a day (status ${status}); another export of this client may be in its way, have it ended there.`,
    { details: { status }, retryable: true },
  );
}

async function ask(session: ExportSession): Promise<JsonAnswer> {
  const { http, signal } = session.options;
  const { method, path, request } = kickoffRequest(session.options);
  try {
    return await http.json(method, path, {
      ...request,
      expect: [200, 202, ...BUSY],
      ...(signal === undefined ? {} : { signal }),
    });
  } catch (error) {
    session.log("kickoff", { exportUrl: path, errorCode: errorDetail(error)["code"] });
    throw error;
  }
}

function pollUrlOf(answer: JsonAnswer): string {
  const location = answer.headers.get("content-location");
  if (answer.status === 202 && location !== null && URL.canParse(location, answer.url.href)) {
    return new URL(location, answer.url.href).href;
  }
  throw new LakeError(
    "unsupported",
    "source/export-failed",
    `The server answered the export request with status ${answer.status} and no usable Content-Location; it does not support asynchronous export here.`,
    { details: { status: answer.status } },
  );
}

function logKickoff(session: ExportSession, answer: JsonAnswer): void {
  const { level, types, since, until, typeFilters, elements } = session.options;
  session.log("kickoff", {
    exportUrl: redactUrl(answer.url.href, false),
    softwareName: answer.headers.get("server")?.slice(0, 64) ?? null,
    requestParameters: {
      level: level.kind,
      _type: types ?? null,
      _since: since ?? null,
      _until: until ?? null,
      // Filters can hold values that name persons.
      _typeFilter: typeFilters?.map((filter) => filter.replace(/=[^&]*/g, "=…")) ?? null,
      _elements: elements ?? null,
    },
    errorCode: null,
    logVersion: "2",
  });
}
