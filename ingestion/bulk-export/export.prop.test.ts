import { describe, expect, it } from "vitest";
import { isLakeError } from "#kernel";
import {
  clientOf,
  filledServer,
  linesOf,
  liveOn,
  TYPES,
  workFolder,
} from "../../test/support/export-fixture.js";
import type { Fault, FaultRule, ProfileName } from "../../test/support/fhir-server/index.js";
import { seeded } from "../../test/support/random.js";
import type { FetchedBatch } from "../source/fetched.js";
import { exportBulk, finishExport } from "./export.js";
import type { ExportOptions } from "./options.js";

type Random = () => number;
const pick = <T>(random: Random, items: readonly T[]): T => items[Math.floor(random() * items.length)]!;

const RETRY_AFTER = [undefined, 3, "0", "7200", { dateInSeconds: 40 }, "1795243948648", "soon"] as const;

function status(random: Random, statuses: readonly number[], issueCode?: string): Fault {
  const retryAfter = pick(random, RETRY_AFTER);
  return {
    kind: "status",
    status: pick(random, statuses),
    ...(issueCode === undefined ? {} : { issueCode }),
    ...(retryAfter === undefined ? {} : { retryAfter }),
  };
}

/** `detectable`: the server counts or packs; else nothing could tell a file that ends early between two lines. */
function fileFault(random: Random, detectable: boolean): Fault {
  const bytes = Math.floor(random() * 600);
  return pick<Fault>(random, [
    status(random, [408, 429, 500, 502, 503, 504]),
    { kind: detectable ? "truncate" : "die", bytes },
    { kind: "die", bytes },
    { kind: "answer-lost" },
    { kind: "wrong-length", by: pick(random, [-20, 20]) },
    { kind: "expire-link", status: pick(random, [403, 404, 410] as const) },
  ]);
}

/** Faults of all parts of an export, each for some requests only. */
function script(random: Random, detectable: boolean): FaultRule[] {
  const rules: FaultRule[] = [];
  const some = (): number[] =>
    Array.from({ length: 1 + Math.floor(random() * 3) }, () => 1 + Math.floor(random() * 12));
  for (let n = Math.floor(random() * 6); n >= 0; n--)
    rules.push({
      match: { pattern: "/(_files|Binary|bucket)/" },
      occurrences: some(),
      fault: fileFault(random, detectable),
    });
  for (let n = Math.floor(random() * 3); n > 0; n--) {
    const fault = pick<Fault>(random, [
      status(random, [429, 500, 503], "transient"),
      status(random, [404, 410]),
      { kind: "answer-lost" },
      { kind: "status", status: 502, body: "<html>" },
      { kind: "status", status: 500, issueCode: "processing" },
    ]);
    rules.push({ match: { method: "GET", pattern: "/_jobs/|poll-status" }, occurrences: some(), fault });
  }
  if (random() < 0.3) {
    const fault = status(random, [429, 503, 500]);
    rules.push({ match: { pattern: "\\$export(\\?|$)" }, occurrences: [1], fault });
  }
  return rules;
}

/** Calls the exporter until it gives a batch; it may be stopped at any point, and may only fail as it says it does. */
async function untilDone(options: ExportOptions, random: Random): Promise<FetchedBatch> {
  for (let call = 0; ; call++) {
    let left = call < 6 && random() < 0.6 ? 1 + Math.floor(random() * 12) : Number.POSITIVE_INFINITY;
    try {
      return await exportBulk({
        ...options,
        checkpoint: () => {
          if (--left === 0) throw new Error("stopped");
        },
      });
    } catch (error) {
      const isOurs = isLakeError(error) && error.code.startsWith("source/");
      if (!isOurs && !String(error).includes("stopped")) throw error;
      if (call === 30) throw error;
    }
  }
}

const SEED = Number(process.env["FHIR_LAKE_FAULT_SEED"] ?? 20261121);
const RUNS = Number(process.env["FHIR_LAKE_FAULT_RUNS"] ?? 25);

describe("whatever goes wrong, and wherever it is stopped", () => {
  it.each(Array.from({ length: RUNS }, (_, n) => SEED + n))(
    "an export brings what the server has, and no whole file twice (seed %i)",
    async (seed) => {
      const random = seeded(seed);
      const profile = pick<ProfileName>(random, ["full", "full", "hapi-like", "cerner-like", "epic-like"]);
      const gzip = random() < 0.5;
      const { server, clock } = await filledServer({
        profile,
        faults: script(random, gzip || profile === "full"),
        changes: { export: { rowsPerFile: 1 + Math.floor(random() * 12), gzip } },
        export: { polls: Math.floor(random() * 4), retryAfter: pick(random, RETRY_AFTER) },
      });
      const http = clientOf(server.url, { clock, maxAttempts: 4 });
      const call: ExportOptions = {
        http,
        workDir: await workFolder(),
        level: { kind: "group", id: "g" },
        types: TYPES,
        ...(profile === "full" && random() < 0.5 ? { kickoff: "POST", allowPartialManifests: true } : {}),
      };
      const batch = await untilDone(call, random);
      expect(linesOf(batch)).toEqual(liveOn(server));
      const twice = [...server.requests.filesFetched()].filter(([, times]) => times > 1);
      expect(twice).toEqual([]);
      expect(await finishExport(call)).toEqual({ released: true });
    },
  );
});
