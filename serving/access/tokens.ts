import {
  createLocalJWKSet,
  createRemoteJWKSet,
  decodeJwt,
  errors,
  type JSONWebKeySet,
  type JWTPayload,
  type JWTVerifyGetKey,
  jwtVerify,
} from "jose";
import { LakeError } from "#kernel";
import { unauthenticated } from "./refusals.js";

/** Signature algorithms that may be allowed: with public keys only, so that nothing kept here could sign. */
export const tokenAlgorithms = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
] as const;

/** One of these. */
export type TokenAlgorithm = (typeof tokenAlgorithms)[number];

/** Somebody whose access tokens are believed. */
export interface Issuer {
  /** The `iss` of its tokens, to the letter. */
  readonly issuer: string;
  /** What tokens for this server have among their `aud`. */
  readonly audience: string;
  /** Its public keys, or where they are read: nothing in a token says so. */
  readonly keys: JSONWebKeySet | URL;
  readonly algorithms: readonly TokenAlgorithm[];
  /** The claim that names roles: a path such as `realm_access.roles`. */
  readonly rolesClaim: string;
  /** The role of a token that names none; without it such a token may do nothing, unless its scopes grant. */
  readonly defaultRole?: string;
  /** True when scopes alone grant what they say to tokens without a role. */
  readonly scopesGrant: boolean;
  /** A token that ends later than so many seconds from now is refused. */
  readonly longestSeconds: number;
}

/** What a token that holds says. */
export interface TokenFacts {
  readonly issuer: Issuer;
  readonly subject: string;
  /** Names in the roles claim, in their order. */
  readonly roles: readonly string[];
  readonly scopes: string | undefined;
  /** Milliseconds since 1970. */
  readonly until: number;
}

/** Clocks of machines differ. */
const TOLERANCE_SECONDS = 30;
const MOST_CHARACTERS = 8192;
/** Headers by which a token would bring or name its own key. */
const KEY_HEADERS = ["jwk", "jku", "x5u", "x5c"];

function texts(value: unknown): string[] {
  if (typeof value === "string") return value.split(" ").filter((one) => one !== "");
  return Array.isArray(value) ? value.filter((one): one is string => typeof one === "string") : [];
}

function claimAt(payload: JWTPayload, path: string): unknown {
  let at: unknown = payload;
  for (const step of path.split(".")) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, step)) return undefined;
    at = (at as Readonly<Record<string, unknown>>)[step];
  }
  return at;
}

function named(...claims: readonly unknown[]): string | undefined {
  return claims.find((one): one is string => typeof one === "string" && one.length > 0 && one.length <= 256);
}

/** Verifies access tokens. */
export class Tokens {
  private readonly issuers: ReadonlyMap<string, { readonly issuer: Issuer; readonly key: JWTVerifyGetKey }>;
  private readonly now: () => Date;

  constructor(issuers: readonly Issuer[], now: () => Date) {
    this.now = now;
    this.issuers = new Map(
      issuers.map((issuer) => {
        const { keys } = issuer;
        const key = keys instanceof URL ? createRemoteJWKSet(keys) : createLocalJWKSet(keys);
        return [issuer.issuer, { issuer, key }];
      }),
    );
  }

  /**
   * What a token says, once its signature, issuer, audience and times hold. Fails with `serving/unauthenticated`, and with
   * `serving/issuer-unavailable` when the issuer's keys cannot be read.
   */
  async check(token: string): Promise<TokenFacts> {
    const known = token.length <= MOST_CHARACTERS ? this.issuers.get(issuerOf(token)) : undefined;
    if (known === undefined) throw unauthenticated(true);
    const { issuer, key } = known;
    const now = this.now();
    try {
      const { payload, protectedHeader } = await jwtVerify(token, key, {
        issuer: issuer.issuer,
        audience: issuer.audience,
        algorithms: [...issuer.algorithms],
        clockTolerance: TOLERANCE_SECONDS,
        currentDate: now,
        requiredClaims: ["exp"],
      });
      const typ = protectedHeader.typ?.toLowerCase().replace(/^application\//, "");
      const isAccess = typ === undefined || typ === "jwt" || typ === "at+jwt";
      const bringsKey = KEY_HEADERS.some((name) => Object.hasOwn(protectedHeader, name));
      const subject = named(payload.sub, payload["client_id"], payload["azp"]);
      const exp = payload.exp!;
      const isLong = exp > now.getTime() / 1000 + issuer.longestSeconds + TOLERANCE_SECONDS;
      if (!isAccess || bringsKey || subject === undefined || isLong) throw unauthenticated(true);
      const scopes = texts(payload["scope"] ?? payload["scp"]).join(" ");
      return {
        issuer,
        subject,
        roles: texts(claimAt(payload, issuer.rolesClaim)),
        scopes: scopes === "" ? undefined : scopes,
        until: (exp + TOLERANCE_SECONDS) * 1000,
      };
    } catch (error) {
      throw refusal(error);
    }
  }
}

/** The issuer that a token claims; what it says is believed only after its signature was checked. */
function issuerOf(token: string): string {
  try {
    const { iss } = decodeJwt(token);
    return typeof iss === "string" ? iss : "";
  } catch {
    return "";
  }
}

function refusal(error: unknown): LakeError {
  if (error instanceof LakeError) return error;
  const isToken =
    error instanceof errors.JOSEError &&
    !(error instanceof errors.JWKSTimeout) &&
    !(error instanceof errors.JWKSInvalid) &&
    error.code !== "ERR_JOSE_GENERIC";
  if (isToken || error instanceof TypeError || error instanceof SyntaxError) return fromFetch(error);
  return issuerUnavailable(error);
}

/** The platform reports a failed connection as a TypeError, and so does a key that does not fit. */
function fromFetch(error: unknown): LakeError {
  return error instanceof TypeError && error.message.includes("fetch")
    ? issuerUnavailable(error)
    : unauthenticated(true);
}

function issuerUnavailable(cause: unknown): LakeError {
  return new LakeError(
    "unavailable",
    "serving/issuer-unavailable",
    "The keys of the token's issuer cannot be read just now; try again.",
    { retryable: true, cause },
  );
}
