import type { ServingContext } from "../context.js";
import { type ApiKeys, isApiKey, type KeyRecord } from "./api-keys.js";
import type { Caller } from "./caller.js";
import { forbidden, unauthenticated } from "./refusals.js";
import type { Role, Roles } from "./roles.js";
import { scopeGrant, withScopes } from "./scopes.js";
import type { TokenFacts, Tokens } from "./tokens.js";

/** How callers say who they are. */
export interface CredentialOptions {
  readonly roles: Roles;
  readonly keys: ApiKeys;
  readonly tokens: Tokens;
  /** The role of callers without a credential; undefined when they may do nothing. */
  readonly localRole: string | undefined;
  /** True behind a proxy that asks who people are: a request without a credential may then have come through it. */
  readonly behindProxy: boolean;
}

/** By this header a caller whose token names several roles picks one. */
const ROLE_HEADER = "X-Lake-Role";
/** A request that came through a proxy comes from anywhere. */
const PROXY_HEADERS = ["Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via"];

/** The credential of a request: a bearer token, an API key in a header of its own, or one as the password of Basic. */
function credentialOf(context: ServingContext): string | undefined {
  const header = context.req.header("Authorization");
  const own = context.req.header("X-API-Key");
  if (own !== undefined && header !== undefined) throw unauthenticated(true);
  if (own !== undefined) return own;
  if (header === undefined) return undefined;
  const [scheme, value, ...rest] = header.trim().split(/ +/);
  if (value === undefined || rest.length > 0) throw unauthenticated(true);
  if (scheme!.toLowerCase() === "bearer") return value;
  if (scheme!.toLowerCase() !== "basic") throw unauthenticated(true);
  const password = /^[^:]*:(.*)$/s.exec(Buffer.from(value, "base64").toString("utf8"))?.[1];
  // Only keys are passwords here: a token stays out of programs that keep passwords.
  if (password === undefined || !isApiKey(password)) throw unauthenticated(true);
  return password;
}

/** Finds out who asks. */
export class Credentials {
  private readonly options: CredentialOptions;

  constructor(options: CredentialOptions) {
    this.options = options;
  }

  /** The caller of a request. Fails with `serving/unauthenticated`, `serving/forbidden`, `serving/issuer-unavailable`. */
  async identify(context: ServingContext): Promise<Caller> {
    const credential = credentialOf(context);
    const wanted = context.req.header(ROLE_HEADER);
    if (credential === undefined) {
      const caller = this.local();
      const isProxied =
        !this.options.behindProxy && PROXY_HEADERS.some((name) => context.req.header(name) !== undefined);
      if (caller === undefined || isProxied) throw unauthenticated(false);
      return pick(caller, wanted);
    }
    if (isApiKey(credential)) {
      const record = await this.options.keys.check(credential);
      if (record === undefined) throw unauthenticated(true);
      return pick(this.ofKey(record), wanted);
    }
    return this.ofToken(await this.options.tokens.check(credential), wanted);
  }

  /** The caller that a request without credential is; undefined when none is let in. */
  local(): Caller | undefined {
    const { localRole, roles } = this.options;
    if (localRole === undefined) return undefined;
    const { name, permissions, policy } = roles.get(localRole);
    return { id: "local", kind: "local", role: name, permissions, policy };
  }

  /** The caller that a key's record stands for. */
  ofKey(record: KeyRecord): Caller {
    const role = this.options.roles.find(record.role);
    if (role === undefined) throw forbidden("The role of this key is no longer configured here.");
    const until = record.expiresAt === undefined ? {} : { until: Date.parse(record.expiresAt) };
    return {
      id: `key:${record.id}`,
      kind: "key",
      role: role.name,
      permissions: role.permissions,
      policy: role.policy,
      ...until,
    };
  }

  private ofToken(facts: TokenFacts, wanted: string | undefined): Caller {
    const id = `token:${facts.issuer.issuer} ${facts.subject}`;
    const role = this.roleOf(facts, wanted);
    return this.narrowed({ id, kind: "token", role, scopes: facts.scopes, until: facts.until });
  }

  /** A caller of a role as scopes narrow it. */
  narrowed(given: {
    readonly id: string;
    readonly kind: "key" | "token";
    readonly role: Role;
    readonly scopes: string | undefined;
    readonly until: number;
  }): Caller {
    const { id, kind, role, scopes, until } = given;
    return {
      id,
      kind,
      role: role.name,
      ...withScopes(role, scopes),
      ...(scopes === undefined ? {} : { scopes }),
      until,
    };
  }

  /** A caller acts in one role: the one it asks for, else the first of those its token names, else that of the issuer. */
  private roleOf({ issuer, roles: names, scopes }: TokenFacts, wanted: string | undefined): Role {
    const { roles } = this.options;
    const held = names.flatMap((name) => roles.find(name) ?? []);
    if (held.length === 0 && issuer.defaultRole !== undefined) held.push(roles.get(issuer.defaultRole));
    const found = wanted === undefined ? held[0] : held.find(({ name }) => name === wanted);
    if (found !== undefined) return found;
    if (
      wanted === undefined &&
      issuer.scopesGrant &&
      scopes !== undefined &&
      scopeGrant(scopes) !== undefined
    ) {
      return roles.get("admin");
    }
    throw forbidden(
      wanted === undefined
        ? "Your token names no role that is known here."
        : `Your token does not name the role that ${ROLE_HEADER} asks for.`,
    );
  }
}

function pick(caller: Caller, wanted: string | undefined): Caller {
  if (wanted === undefined || wanted === caller.role) return caller;
  throw forbidden(`Your credential does not hold the role that ${ROLE_HEADER} asks for.`);
}
