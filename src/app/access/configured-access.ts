import { readFileSync } from "node:fs";
import path from "node:path";
import { durationMs, type LoadedConfig, readSecret, type SecurityConfig } from "#config";
import { LakeError, systemClock } from "#kernel";
import type { Lake } from "#lake";
import type { ViewPolicy } from "#query";
import {
  Access,
  ApiKeys,
  AuditTrail,
  CallerLimits,
  CallerScope,
  Credentials,
  type Issuer,
  type Logger,
  type RoleDefinition,
  Roles,
  SignedLinks,
  Tokens,
} from "#serving";
import { type AuditStore, openAudit } from "./audit-store.js";
import { LakeKeys } from "./lake-keys.js";
import { derivedKey, lakeSecret } from "./lake-secret.js";

/** How a server is reached, and by what configuration it decides who may ask. */
export interface AccessRequest {
  readonly loaded: LoadedConfig;
  readonly environment: NodeJS.ProcessEnv;
  /** True when it listens to this machine alone. */
  readonly isLoopback: boolean;
  /** True when its operator lets everybody in who reaches it. */
  readonly allowUnauthenticated: boolean;
}

/** What decides who may ask a server what. */
export interface ServerAccess {
  readonly scope: CallerScope;
  /** True when somebody may ask without saying who they are. */
  readonly isOpen: boolean;
  access(log: Logger): Access;
  close(): Promise<void>;
}

/** The role that callers on this machine have unless the configuration says otherwise: they could read the lake's files anyway. */
const LOCAL_ROLE = "analyst";

function policyOf(role: SecurityConfig["roles"][string]): ViewPolicy {
  const { permissions: _permissions, views, resources, ...rest } = role;
  return {
    ...rest,
    ...(views === undefined ? {} : { views }),
    ...(resources === undefined ? {} : { resources }),
  };
}

/** The roles of a configuration. `key` makes pseudonyms. Fails with `serving/unknown-permission`. */
export function configuredRoles({ config }: LoadedConfig, key = ""): Roles {
  const defined = Object.entries(config.security.roles).map(([name, role]): [string, RoleDefinition] => [
    name,
    { permissions: role.permissions, policy: policyOf(role) },
  ]);
  return new Roles(Object.fromEntries(defined), key);
}

function keysOf(keys: SecurityConfig["issuers"][number]["keys"], folder: string): Issuer["keys"] {
  if (typeof keys === "string") return new URL(keys);
  try {
    const parsed = JSON.parse(readFileSync(path.resolve(folder, keys.file), "utf8")) as Issuer["keys"];
    if (!(parsed instanceof URL) && Array.isArray(parsed.keys)) return parsed;
  } catch (cause) {
    throw badKeySet(keys.file, cause);
  }
  throw badKeySet(keys.file, undefined);
}

function badKeySet(file: string, cause: unknown): LakeError {
  const message = `${file}, named under security.issuers, cannot be read as a JSON Web Key Set.`;
  return new LakeError("invalid-input", "access/bad-key-set", message, { cause });
}

function issuersOf({ config, folder }: LoadedConfig): Issuer[] {
  return config.security.issuers.map(({ keys, maxLifetime, defaultRole, ...rest }) => ({
    ...rest,
    keys: keysOf(keys, folder),
    longestSeconds: durationMs(maxLifetime) / 1000,
    ...(defaultRole === undefined ? {} : { defaultRole }),
  }));
}

/** The role of callers without a credential; undefined when none are let in. Fails with `access/contradiction`. */
function localRoleOf({ loaded, isLoopback, allowUnauthenticated }: AccessRequest): string | undefined {
  const { local, issuers, roles } = loaded.config.security;
  if (local === false) {
    if (!allowUnauthenticated) return undefined;
    throw new LakeError(
      "invalid-input",
      "access/contradiction",
      "--allow-unauthenticated lets in callers whom security.local: false keeps out; leave one of them out.",
    );
  }
  if (!isLoopback && !allowUnauthenticated) return undefined;
  // Who configures identities means them to be used; a proxy on this machine would else let everybody in.
  const isConfigured = issuers.length > 0 || Object.keys(roles).length > 0;
  return local ?? (isConfigured && !allowUnauthenticated ? undefined : LOCAL_ROLE);
}

function nobodyCould(host: string): LakeError {
  return new LakeError(
    "invalid-input",
    "cli/unauthenticated",
    `Nobody could ask a server on '${host}' anything: make a key (fhir-lake keys create), or name issuers of access tokens under security in the configuration, or, where a proxy in front asks who people are, add --allow-unauthenticated.`,
  );
}

/**
 * Everything that decides about access to one server. Fails with `cli/unauthenticated` when nobody could ask anything, and with the codes of bad
 * settings.
 */
export async function configuredAccess(
  lake: Lake,
  host: string,
  request: AccessRequest,
): Promise<ServerAccess> {
  const { loaded, environment } = request;
  const { security } = loaded.config;
  const localRole = localRoleOf(request);
  const records = new LakeKeys(lake.store);
  const hasKeys = (await records.list()).some(({ revokedAt }) => revokedAt === undefined);
  const hasCallers = hasKeys || security.issuers.length > 0;
  if (localRole === undefined && !hasCallers) throw nobodyCould(host);

  const isAudited = security.audit === "on" || (security.audit === "auto" && hasCallers);
  const configured =
    security.secret === undefined
      ? undefined
      : readSecret(security.secret, "security.secret", { environment, folder: loaded.folder });
  const mustLast = isAudited || Object.keys(security.roles).length > 0;
  const secret = await lakeSecret(lake.store, configured, mustLast);
  const roles = configuredRoles(loaded, Buffer.from(derivedKey(secret, "pseudonyms")).toString("hex"));
  if (localRole !== undefined) roles.get(localRole);
  for (const { defaultRole } of security.issuers) if (defaultRole !== undefined) roles.get(defaultRole);
  const now = (): Date => systemClock.now();
  const keys = new ApiKeys(records, now);
  const tokens = new Tokens(issuersOf(loaded), now);
  const behindProxy = request.allowUnauthenticated;
  const credentials = new Credentials({ roles, keys, tokens, localRole, behindProxy });
  const audit: AuditStore | undefined = isAudited
    ? await openAudit(lake.store.location, environment)
    : undefined;
  const scope = new CallerScope();
  return {
    scope,
    isOpen: localRole !== undefined,
    access: (log) =>
      new Access({
        scope,
        credentials,
        limits: new CallerLimits(security.limits),
        links: new SignedLinks(derivedKey(secret, "links"), { roles, keys, credentials }, now),
        audit: audit === undefined ? undefined : new AuditTrail(audit.stream, derivedKey(secret, "audit")),
        clock: systemClock,
        log,
      }),
    close: async () => await audit?.close(),
  };
}
