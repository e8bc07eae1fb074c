import type { OrderPolicy } from "#landing";
import type { ExportLevel } from "../bulk-export/index.js";
import type { FhirHttp } from "../http/index.js";
import type { SourceCapabilities } from "./capabilities.js";
import type { ExportProbe } from "./export-probe.js";
import type { Page } from "./page.js";
import { serverTimeMs } from "./page.js";
import type { WindowSupport } from "./probes.js";
import type { SourceFinding } from "./source-finding.js";

const EVERYTHING = "Every fetch by search must read the whole type.";

/** Whether a closed window in the past is honoured. */
export function checkWindows(type: string, support: WindowSupport): SourceFinding {
  const check = "since";
  switch (support) {
    case "honoured":
      return { check, type, result: "ok", message: `${type} can be searched by _lastUpdated.` };
    case "ignored":
      return {
        check,
        type,
        result: "warning",
        message: `${type}: _lastUpdated is ignored, everything is found.`,
        guarantee: EVERYTHING,
      };
    case "refused":
      return {
        check,
        type,
        result: "warning",
        message: `${type}: _lastUpdated is refused.`,
        guarantee: EVERYTHING,
      };
    case "no-search":
      return {
        check,
        type,
        result: "failed",
        message: `${type} cannot be searched.`,
        guarantee: `Nothing of ${type} is fetched by search.`,
      };
    case "unknown":
      return {
        check,
        type,
        result: "unknown",
        message: `${type}: there is nothing, or no count, to tell by whether _lastUpdated is honoured.`,
        guarantee: "It is not known that only changes are fetched.",
      };
  }
}

/** Whether resources carry what their versions are ordered by. */
export function checkMeta(type: string, page: Page, policy: OrderPolicy): SourceFinding[] {
  const resources = page.entries.filter((entry) => entry.match && entry.type === type);
  const check = "meta";
  if (resources.length === 0) {
    return [{ check, type, result: "unknown", message: `${type}: there is no resource to look at.` }];
  }
  const untimed = resources.filter(({ timeMs }) => timeMs === undefined).length;
  const unversioned = resources.filter(({ versionId }) => versionId === undefined).length;
  const unnumbered = resources.filter(
    ({ versionId }) => versionId !== undefined && !/^\d+$/.test(versionId),
  ).length;
  const seconds = resources.every(({ timeMs }) => timeMs !== undefined && timeMs % 1000 === 0);
  const findings: SourceFinding[] = [];
  const add = (message: string, guarantee: string, result: SourceFinding["result"] = "warning"): void => {
    findings.push({ check, type, result, message: `${type}: ${message}`, guarantee });
  };
  if (untimed > 0) {
    add(
      `${untimed} of ${resources.length} resources have no meta.lastUpdated.`,
      "The time of the fetch stands in for it; the order of versions fetched together is not known.",
    );
  }
  if (policy === "version" && (unversioned > 0 || unnumbered > 0)) {
    add(
      "not every resource has a numeric meta.versionId, by which this source's versions are ordered.",
      "Which version is the newest cannot be told; order this source by time.",
      "failed",
    );
  } else if (policy === "time" && seconds && resources.length >= 10) {
    add(
      "times have no fractions of seconds.",
      unversioned > 0
        ? "The order of two changes within one second is not known."
        : "Two changes within one second are ordered by their version numbers.",
      unversioned > 0 ? "warning" : "ok",
    );
  }
  if (findings.length === 0) {
    findings.push({
      check,
      type,
      result: "ok",
      message: `${type}: resources carry what their versions are ordered by.`,
    });
  }
  return findings;
}

/** Page size, count and links. */
export function checkPages(type: string, page: Page, asked: number): SourceFinding[] {
  const check = "limits";
  const findings: SourceFinding[] = [];
  const got = page.entries.filter(({ match }) => match).length;
  if (page.next !== undefined && got < asked) {
    const message = `${type}: pages hold ${got} resources where ${asked} were asked for; fetching takes that many more requests.`;
    findings.push({ check, type, result: "ok", message });
  }
  if (page.total === undefined) {
    const guarantee = "It is not checked that every resource of a window was found.";
    findings.push({ check, type, result: "warning", message: `${type}: searches give no total.`, guarantee });
  } else if (page.next === undefined && page.total > got) {
    const message = `${type}: the only page has ${got} of ${page.total} resources and no next link.`;
    findings.push({
      check,
      type,
      result: "failed",
      message,
      guarantee: "Resources are missing from what search finds.",
    });
  }
  return findings;
}

/** Whether ids alone can be listed, which is what comparing ids needs. */
export function checkIds(type: string, whole: Page, ids: Page | undefined): SourceFinding {
  const check = "ids";
  if (ids === undefined) {
    const message = `${type}: a search for ids alone is refused.`;
    return {
      check,
      type,
      result: "warning",
      message,
      guarantee: "Comparing ids to find deletes is not possible by search.",
    };
  }
  if (whole.entries.length === 0)
    return { check, type, result: "unknown", message: `${type}: there are no ids to list.` };
  const mean = (page: Page): number =>
    page.entries.reduce((sum, { text }) => sum + (text?.length ?? 0), 0) / Math.max(1, page.entries.length);
  const whole5 = { ...whole, entries: whole.entries.slice(0, ids.entries.length) };
  const small = mean(ids) < 0.7 * mean(whole5) || ids.entries.every(({ subsetted }) => subsetted);
  if (small)
    return { check, type, result: "ok", message: `${type}: ids can be listed without the resources.` };
  const message = `${type}: _elements=id brings whole resources; comparing ids costs as much as fetching all.`;
  return { check, type, result: "warning", message };
}

/** Whether deletes can be seen. */
export function checkDeletes(capabilities: SourceCapabilities): SourceFinding {
  const check = "deletes";
  const { types, systemHistory, bulkExport } = capabilities;
  const without = types.filter(({ history }) => !history).map(({ type }) => type);
  if (types.length > 0 && (without.length === 0 || systemHistory)) {
    return { check, result: "ok", message: "Histories answer; deletes are listed in them." };
  }
  const guarantee =
    "A deleted resource stays in the lake until ids are compared; until then snapshots say deletesVerified: false.";
  if (bulkExport.system || bulkExport.patient || bulkExport.group) {
    const message =
      "Exports may list deletes, but an export without any proves nothing, and there is no history to see them by.";
    return { check, result: "unknown", message, guarantee };
  }
  const message = `There is no history of ${without.length === types.length ? "any type" : without.join(", ")}.`;
  return { check, result: "warning", message, guarantee };
}

/** What bulk export offers. */
export function checkExport(
  capabilities: SourceCapabilities,
  level: ExportLevel | undefined,
  probe: ExportProbe | undefined,
): SourceFinding {
  const check = "export";
  const levels = (["system", "patient", "group"] as const).filter((one) => capabilities.bulkExport[one]);
  const declared = levels.length === 0 ? "no level" : levels.join(", ");
  if (level === undefined || probe === undefined) {
    const message = `The CapabilityStatement names ${declared} of bulk export; none was tried.`;
    return { check, result: "unknown", message };
  }
  if (probe.status === 429) {
    const message =
      "The server runs no further export now (status 429); a job of this client may be under way or abandoned.";
    return { check, result: "unknown", message };
  }
  if (!probe.accepted) {
    const message = `An export of the ${level.kind} level is refused (status ${probe.status}); the statement names ${declared}.`;
    return { check, result: "failed", message, guarantee: "Nothing is fetched by export." };
  }
  const left = probe.cancelled ? "" : " It could not be cancelled and may block the next one.";
  if (probe.since !== true) {
    const message = `Exports of the ${level.kind} level are taken, but not with _since.${left}`;
    return {
      check,
      result: "warning",
      message,
      guarantee: "Every export is a full one; only changed resources are written to the lake.",
    };
  }
  const message = `Exports of the ${level.kind} level are taken, also with _since.${left}`;
  const guarantee = "Whether _since is honoured and deletes are listed shows only in the export's files.";
  return { check, result: probe.cancelled ? "ok" : "warning", message, guarantee };
}

const TOLERATED_SKEW_MS = 5 * 60_000;

/** How far the server's clock is from ours; only signed logins depend on ours. */
export async function checkClock(http: FhirHttp, beforeMs: number): Promise<SourceFinding> {
  const check = "clock";
  const answer = await http.json("GET", "metadata", {
    expect: [200, 400, 401, 403, 404, 405, 406, 410, 501],
  });
  const serverMs = serverTimeMs(undefined, answer.headers);
  if (serverMs === undefined) {
    const guarantee = "Windows of changes are closed by Bundle.meta.lastUpdated alone, where that is given.";
    return { check, result: "warning", message: "Answers have no Date header.", guarantee };
  }
  const afterMs = http.clock.now().getTime();
  const skew = serverMs < beforeMs ? beforeMs - serverMs : Math.max(0, serverMs - afterMs);
  if (skew <= TOLERATED_SKEW_MS) {
    return {
      check,
      result: "ok",
      message: `The server's clock is within ${Math.ceil(skew / 1000)} s of this machine's.`,
    };
  }
  return {
    check,
    result: "warning",
    message: `The server's clock is ${Math.round(skew / 1000)} s away from this machine's; fetching goes by the server's.`,
    guarantee: "Signed logins may be refused because they seem expired.",
  };
}
