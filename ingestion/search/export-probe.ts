import { isLakeError, LakeError } from "#kernel";
import type { ExportLevel } from "../bulk-export/index.js";
import type { FhirHttp } from "../http/index.js";
import { instantText } from "./search-instant.js";

/** What became of an export that was started to see whether it can be. */
export interface ExportProbe {
  readonly accepted: boolean;
  /** Whether the server took `_since`; undefined when the export was refused altogether. */
  readonly since: boolean | undefined;
  readonly status: number;
  /** False when the job could not be cancelled and may go on at the server. */
  readonly cancelled: boolean;
}

const ANSWERS = [200, 202, 400, 403, 404, 405, 406, 409, 412, 415, 422, 429, 501];

function placeOf(level: ExportLevel): string {
  if (level.kind === "system") return "$export";
  return level.kind === "patient" ? "Patient/$export" : `Group/${encodeURIComponent(level.id)}/$export`;
}

/** Starts the smallest export there is and cancels it. */
export async function probeExport(
  http: FhirHttp,
  level: ExportLevel,
  type: string | undefined,
  signal: AbortSignal | undefined,
): Promise<ExportProbe> {
  const since = instantText(http.clock.now().getTime() - 60_000);
  const kickOff = async (query: Record<string, string>) =>
    await http.json("GET", placeOf(level), {
      headers: { prefer: "respond-async" },
      query: { ...(type === undefined ? {} : { _type: type }), ...query },
      expect: ANSWERS,
      ...(signal === undefined ? {} : { signal }),
    });
  let withSince = true;
  let answer = await kickOff({ _since: since });
  if (answer.status === 400) {
    withSince = false;
    answer = await kickOff({});
  }
  const { status } = answer;
  if (status !== 202) return { accepted: false, since: undefined, status, cancelled: true };
  return { accepted: true, since: withSince, status, cancelled: await cancel(http, answer.headers) };
}

async function cancel(http: FhirHttp, headers: Headers): Promise<boolean> {
  const place = headers.get("content-location");
  if (place === null) return false;
  try {
    await http.json("DELETE", place, { expect: [200, 202, 204, 404, 410] });
    return true;
  } catch (error) {
    if (isLakeError(error) && error instanceof LakeError) return false;
    throw error;
  }
}
