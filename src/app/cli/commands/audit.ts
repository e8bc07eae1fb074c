import { readSecret } from "#config";
import { LakeError } from "#kernel";
import type { Lake } from "#lake";
import { type AuditEntry, type AuditStream, valueDigest, verifyAudit } from "#serving";
import { openAudit } from "../../access/audit-store.js";
import { derivedKey, lakeSecret } from "../../access/lake-secret.js";
import type { Command, Invocation } from "../command.js";
import { loadedConfig } from "../config-option.js";
import { EXIT } from "../exit-code.js";
import { withLake } from "../open-lake.js";
import { parseCount, textOption } from "../option-value.js";

async function auditKey(invocation: Invocation, lake: Lake): Promise<Uint8Array> {
  const { config, folder } = loadedConfig(invocation);
  const { environment } = invocation;
  const { secret } = config.security;
  const configured =
    secret === undefined ? undefined : readSecret(secret, "security.secret", { environment, folder });
  return derivedKey(await lakeSecret(lake.store, configured), "audit");
}

function withAudit(
  invocation: Invocation,
  work: (stream: AuditStream, key: Uint8Array, location: string) => Promise<number>,
): Promise<number> {
  return withLake(
    invocation,
    async (lake) => {
      const audit = await openAudit(lake.store.location, invocation.environment);
      try {
        return await work(audit.stream, await auditKey(invocation, lake), audit.location);
      } finally {
        await audit.close();
      }
    },
    { mustExist: true },
  );
}

const verify: Command = {
  name: ["audit", "verify"],
  summary: "Check that nothing in the audit log was changed, added or taken out",
  usage: "[--head HASH]",
  help: ["--head HASH   a head that was noted before: proves that nothing up to it was cut off since"],
  options: { head: { type: "string" } },
  positionals: [0, 0],
  run: (invocation) =>
    withAudit(invocation, async (stream, key, location) => {
      const { output, values } = invocation;
      const verdict = await verifyAudit(stream, key);
      const noted = textOption(values, "head");
      let isKept = noted === undefined;
      if (noted !== undefined) {
        for await (const { link } of stream.read(1)) if (link.hash === noted) isKept = true;
      }
      output.document({ location, ...verdict, broken: verdict.broken ?? null, headFound: isKept });
      if (verdict.broken !== undefined) {
        output.line(`Link ${verdict.broken.link} of the audit log is not right: ${verdict.broken.reason}.`);
        return EXIT.incomplete;
      }
      if (!isKept) {
        output.line("The head that was noted is not in the audit log: links were cut off.");
        return EXIT.incomplete;
      }
      output.line(`All ${verdict.links} links of the audit log hold. Head: ${verdict.head}`);
      return EXIT.ok;
    }),
};

function entryOf(text: string, number: number): AuditEntry {
  try {
    return JSON.parse(text) as AuditEntry;
  } catch {
    throw new LakeError(
      "corrupt-data",
      "cli/audit-broken",
      `Link ${number} of the audit log cannot be read; fhir-lake audit verify says more.`,
    );
  }
}

const list: Command = {
  name: ["audit", "list"],
  summary: "Show who asked what, the newest first",
  usage: "[--limit N] [--caller ID] [--target NAME] [--value TEXT]",
  help: [
    "--limit N      records to show (default 50)",
    "--caller ID    of this caller only, such as key:0123456789ab",
    "--target NAME  about this view or cohort only",
    "--value TEXT   only questions that named exactly this value",
  ],
  options: {
    limit: { type: "string" },
    caller: { type: "string" },
    target: { type: "string" },
    value: { type: "string" },
  },
  positionals: [0, 0],
  run: (invocation) =>
    withAudit(invocation, async (stream, key) => {
      const { output, values } = invocation;
      const limit = parseCount(textOption(values, "limit") ?? "50", "limit", 1);
      const [caller, target] = [textOption(values, "caller"), textOption(values, "target")];
      const value = textOption(values, "value");
      const digest = value === undefined ? undefined : valueDigest(key, value);
      const found: (AuditEntry & { readonly link: number })[] = [];
      for await (const { number, link } of stream.read(1)) {
        const entry = entryOf(link.entry, number);
        if (caller !== undefined && entry.caller?.id !== caller) continue;
        const names = Object.values(entry.target ?? {}).map((name) => name.split(".")[0]);
        if (target !== undefined && !names.includes(target)) continue;
        if (digest !== undefined && !link.entry.includes(`#${digest}`)) continue;
        found.push({ link: number, ...entry });
        if (found.length > limit) found.shift();
      }
      found.reverse();
      output.document(found);
      output.table(
        ["link", "at", "kind", "caller", "role", "route", "target", "snapshot", "rows"],
        found.map((one) => [
          one.link,
          one.at.slice(0, 19),
          one.kind,
          one.caller?.id ?? "",
          one.caller?.role ?? "",
          one.route ?? "",
          Object.values(one.target ?? {}).join(" "),
          one.snapshot ?? "",
          one.rows ?? "",
        ]),
      );
      return EXIT.ok;
    }),
};

/** `fhir-lake audit …` */
export const auditCommands: readonly Command[] = [verify, list];
