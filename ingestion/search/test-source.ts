import { isLakeError, mapConcurrently } from "#kernel";
import type { OrderPolicy } from "#landing";
import type { ExportLevel } from "../bulk-export/index.js";
import type { FhirHttp } from "../http/index.js";
import { readCapabilities, type SourceCapabilities } from "./capabilities.js";
import { probeExport } from "./export-probe.js";
import { type Page, parsePage } from "./page.js";
import {
  checkClock,
  checkDeletes,
  checkExport,
  checkIds,
  checkMeta,
  checkPages,
  checkWindows,
} from "./source-checks.js";
import { SourceClient } from "./source-client.js";
import type { SourceFinding } from "./source-finding.js";
import { TypeSearch } from "./window.js";

/** Which source to test, as it is configured. */
export interface TestSourceRequest {
  readonly http: FhirHttp;
  /** Types to be fetched; when absent those of the CapabilityStatement, at most 30. */
  readonly types?: readonly string[] | undefined;
  readonly policy?: OrderPolicy;
  /** Try an export of that level: it is started for one type and the last minute, and cancelled at once. */
  readonly exportLevel?: ExportLevel | undefined;
  /** Default 500. */
  readonly pageSize?: number;
  readonly signal?: AbortSignal;
}

/** What {@link testSource} found. `usable` is false when something failed that fetching needs. */
export interface SourceTest {
  readonly usable: boolean;
  readonly capabilities: SourceCapabilities | undefined;
  readonly findings: readonly SourceFinding[];
}

const TYPES_AT_ONCE = 2;

function connectionFinding(error: unknown): SourceFinding {
  if (!isLakeError(error)) throw error;
  const auth = ["source/unauthorized", "source/forbidden", "source/token"].some((code) =>
    isLakeError(error, code),
  );
  return { check: auth ? "auth" : "connection", result: "failed", message: error.message };
}

/** A page of real resources to look at, or why there is none. */
async function samplePage(
  client: SourceClient,
  type: string,
  pageSize: number,
): Promise<{ page: Page; pageSize: number } | SourceFinding> {
  try {
    const search = new TypeSearch(client, type, pageSize);
    return { page: await search.first({ from: undefined, to: undefined }), pageSize };
  } catch (error) {
    if (!isLakeError(error)) throw error;
    const guarantee = `Nothing of ${type} is fetched by search.`;
    return { check: "type", type, result: "failed", message: error.message, guarantee };
  }
}

async function idPage(client: SourceClient, type: string): Promise<Page | undefined> {
  const answer = await client.search(type, { _elements: "id", _count: "5" });
  return answer.status === 200 ? parsePage(answer, `ids of ${type}`) : undefined;
}

async function typeFindings(
  client: SourceClient,
  type: string,
  capabilities: SourceCapabilities,
  request: TestSourceRequest,
): Promise<SourceFinding[]> {
  const sampled = await samplePage(client, type, request.pageSize ?? 500);
  if (!("page" in sampled)) return [sampled];
  const { page, pageSize } = sampled;
  const known = capabilities.types.find((one) => one.type === type);
  const count = page.total === undefined ? "an unknown number of" : String(page.total);
  return [
    {
      check: "type",
      type,
      result: "ok",
      message: `${type} can be searched; the source has ${count} resources.`,
    },
    checkWindows(type, known?.lastUpdated ?? "unknown"),
    ...checkMeta(type, page, request.policy ?? "time"),
    ...checkPages(type, page, pageSize),
    checkIds(type, page, await idPage(client, type)),
  ];
}

/**
 * Tries everything that fetching from a source depends on and says what it found, and what cannot be guaranteed because of it. A few
 * requests per type; nothing is changed at the source, except that an export may be started and cancelled. A source that cannot be reached
 * is a finding, no error.
 */
export async function testSource(request: TestSourceRequest): Promise<SourceTest> {
  const { http, signal } = request;
  const findings: SourceFinding[] = [];
  let capabilities: SourceCapabilities;
  const beforeMs = http.clock.now().getTime();
  try {
    capabilities = await readCapabilities({
      http,
      types: request.types,
      ...(signal === undefined ? {} : { signal }),
    });
  } catch (error) {
    return { usable: false, capabilities: undefined, findings: [connectionFinding(error)] };
  }
  findings.push(...statementFindings(capabilities));
  const client = new SourceClient(http, signal);
  const types = capabilities.types.map(({ type }) => type);
  const found = await mapConcurrently(types, TYPES_AT_ONCE, (type) =>
    typeFindings(client, type, capabilities, request),
  );
  const searched = found.flat();
  findings.push(...authFindings(capabilities), ...searched);
  findings.push(checkDeletes(capabilities));
  const exported = request.exportLevel && (await probeExport(http, request.exportLevel, types[0], signal));
  findings.push(checkExport(capabilities, request.exportLevel, exported));
  findings.push(await checkClock(http, beforeMs));
  findings.push({
    check: "client",
    result: "ok",
    message: `Fetching by ${capabilities.client}: ${capabilities.reasons.join(" ")}`,
  });
  const reachable =
    searched.some(({ check, result }) => check === "type" && result === "ok") || exported?.accepted === true;
  return { usable: reachable, capabilities, findings };
}

function statementFindings(capabilities: SourceCapabilities): SourceFinding[] {
  const { fhirVersion, software } = capabilities;
  if (fhirVersion === undefined) {
    const message = "The server has no readable CapabilityStatement; what it can do was found out by trying.";
    return [{ check: "version", result: "warning", message }];
  }
  const supported = /^(4\.0|4\.3|5\.0)\./.test(fhirVersion);
  return [
    {
      check: "connection",
      result: "ok",
      message: `The server answers${software === undefined ? "" : ` (${software})`}.`,
    },
    {
      check: "version",
      result: supported ? "ok" : "failed",
      message: `The server speaks FHIR ${fhirVersion}.`,
      ...(supported ? {} : { guarantee: "Only FHIR R4, R4B and R5 are understood." }),
    },
  ];
}

function authFindings(capabilities: SourceCapabilities): SourceFinding[] {
  const open = capabilities.types.filter(({ search }) => search).length;
  if (capabilities.types.length === 0) {
    return [
      {
        check: "auth",
        result: "unknown",
        message: "No types are configured or declared, so access was not tried.",
      },
    ];
  }
  if (open === 0) {
    const message = "None of the types can be searched with these credentials.";
    return [{ check: "auth", result: "failed", message, guarantee: "Nothing is fetched by search." }];
  }
  return [
    {
      check: "auth",
      result: "ok",
      message: `The credentials open ${open} of ${capabilities.types.length} types.`,
    },
  ];
}
