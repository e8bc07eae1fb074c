import { LakeError, systemClock } from "#kernel";
import { type KeyRecord, newApiKey } from "#serving";
import { configuredRoles } from "../../access/configured-access.js";
import { LakeKeys } from "../../access/lake-keys.js";
import type { Command } from "../command.js";
import { loadedConfig } from "../config-option.js";
import { EXIT } from "../exit-code.js";
import { withLake } from "../open-lake.js";
import { parseDuration, textOption } from "../option-value.js";

function nameOf(text: string): string {
  if (/^[^\p{C}]{1,100}$/u.test(text)) return text;
  throw new LakeError(
    "invalid-input",
    "cli/bad-key-name",
    "A key's name has 1 to 100 characters on one line.",
  );
}

/** What is shown of a record: not even the digest of its secret. */
function shown({ sha256: _sha256, ...record }: KeyRecord): Omit<KeyRecord, "sha256"> {
  return record;
}

function stateOf({ revokedAt, expiresAt }: KeyRecord): string {
  if (revokedAt !== undefined) return `revoked ${revokedAt.slice(0, 10)}`;
  if (expiresAt === undefined) return "holds";
  return Date.parse(expiresAt) <= systemClock.now().getTime()
    ? "ended"
    : `holds until ${expiresAt.slice(0, 10)}`;
}

const create: Command = {
  name: ["keys", "create"],
  summary: "Make an API key; it is shown once",
  usage: "<name> --role R [--for 90d]",
  help: [
    "<name>     what people call it: who or what uses it",
    "--role R   reader, analyst, operator, admin, or a role of the configuration",
    "--for 90d  let the key end by itself (default: it holds until it is revoked)",
  ],
  options: { role: { type: "string" }, for: { type: "string" } },
  positionals: [1, 1],
  run: (invocation) =>
    withLake(invocation, async (lake) => {
      const { output, positionals, values } = invocation;
      const roles = configuredRoles(loadedConfig(invocation));
      const wanted = textOption(values, "role");
      if (wanted === undefined) {
        throw new LakeError(
          "invalid-input",
          "cli/no-role",
          `--role is needed: one of ${roles.names().join(", ")}.`,
        );
      }
      const { name: role } = roles.get(wanted);
      const lifetime = textOption(values, "for");
      const now = systemClock.now();
      const { key, record } = newApiKey({
        name: nameOf(positionals[0]!),
        role,
        createdAt: now.toISOString(),
        ...(lifetime === undefined
          ? {}
          : { expiresAt: new Date(now.getTime() + parseDuration(lifetime, "for")).toISOString() }),
      });
      await new LakeKeys(lake.store).add(record);
      output.document({ ...shown(record), key });
      output.line(key);
      output.note(
        `Key ${record.id} for '${record.name}', role ${role}. It is not shown again; send it as Authorization: Bearer <key>.`,
      );
      return EXIT.ok;
    }),
};

const list: Command = {
  name: ["keys", "list"],
  summary: "List the API keys",
  usage: "",
  options: {},
  positionals: [0, 0],
  run: (invocation) =>
    withLake(invocation, async (lake) => {
      const records = await new LakeKeys(lake.store).list();
      invocation.output.document(records.map(shown));
      invocation.output.table(
        ["id", "name", "role", "since", "state"],
        records.map((one) => [one.id, one.name, one.role, one.createdAt.slice(0, 10), stateOf(one)]),
      );
      return EXIT.ok;
    }),
};

const revoke: Command = {
  name: ["keys", "revoke"],
  summary: "End an API key for good; servers notice within five seconds",
  usage: "<id>",
  options: {},
  positionals: [1, 1],
  run: (invocation) =>
    withLake(invocation, async (lake) => {
      const record = await new LakeKeys(lake.store).revoke(invocation.positionals[0]!, systemClock.now());
      invocation.output.document(shown(record));
      invocation.output.line(`Key ${record.id} ('${record.name}') holds no more.`);
      return EXIT.ok;
    }),
};

/** `fhir-lake keys …` */
export const keysCommands: readonly Command[] = [create, list, revoke];
