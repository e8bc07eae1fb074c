import { createPrivateKey, createPublicKey, type JsonWebKey, type KeyObject, randomUUID } from "node:crypto";
import { exportJWK, type JWK, SignJWT } from "jose";
import { LakeError } from "#kernel";
import type { WaitingClock } from "./clock.js";
import type { Credentials } from "./credentials.js";
import { badSettings } from "./errors.js";
import type { JsonAnswer, SmartBackendSettings } from "./settings.js";

/** SMART allows five minutes; one is left for clocks that differ. */
const ASSERTION_SECONDS = 240;
/** A token is renewed this long before it ends, or at half its life if that is shorter. */
const RENEW_BEFORE_MS = 30_000;
const DEFAULT_LIFETIME_SECONDS = 60;
/** Clocks further apart than this are named as the likely cause when a server refuses an assertion. */
const NOTABLE_SKEW_MS = 30_000;
const ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/** What {@link SmartBackend} needs of the network. */
export interface TokenTransport {
  /** `[base]/.well-known/smart-configuration`, without credentials. */
  discover(): Promise<JsonAnswer>;
  /** Posts a form made anew for each try; only status 200, 400 and 401 come back.
   * `configured`: the URL is the operator's, not the server's word. */
  post(url: URL, form: () => Promise<URLSearchParams>, configured: boolean): Promise<JsonAnswer>;
}

interface Endpoint {
  readonly url: URL;
  /** As it was given: a server compares the audience as text. */
  readonly audience: string;
}

interface Token {
  readonly header: string;
  readonly renewAt: number;
}

function asObject(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

/** The private key of PEM or JWK text. Throws `source/bad-settings`, never with the text. */
export function readPrivateKey(text: string, algorithm: "RS384" | "ES384"): KeyObject {
  let key: KeyObject;
  try {
    const trimmed = text.trim();
    key = trimmed.startsWith("{")
      ? createPrivateKey({ key: JSON.parse(trimmed) as JsonWebKey, format: "jwk" })
      : createPrivateKey(trimmed);
  } catch {
    // The cause is left out: parsers quote what they could not read.
    throw badSettings(
      "The private key of SMART Backend Services is neither PEM (unencrypted) nor a private JWK.",
    );
  }
  const details = key.asymmetricKeyDetails ?? {};
  const fits =
    algorithm === "RS384"
      ? key.asymmetricKeyType === "rsa" && (details.modulusLength ?? 0) >= 2048
      : key.asymmetricKeyType === "ec" && details.namedCurve === "secp384r1";
  if (fits) return key;
  const needed = algorithm === "RS384" ? "an RSA key of at least 2048 bits" : "an EC key on the curve P-384";
  throw badSettings(`${algorithm} needs ${needed}; give such a key or change the algorithm.`);
}

/**
 * The JSON Web Key Set to publish or register for these keys: public parts only. To rotate, publish the old and the new key
 * until no server asks for the old one.
 */
export async function publicJwks(
  keys: readonly Pick<SmartBackendSettings, "privateKey" | "keyId" | "algorithm">[],
): Promise<{ readonly keys: readonly JWK[] }> {
  const published = keys.map(async ({ privateKey, keyId, algorithm }) => {
    const jwk = await exportJWK(createPublicKey(readPrivateKey(privateKey, algorithm)));
    return { ...jwk, kid: keyId, alg: algorithm, key_ops: ["verify"] };
  });
  return { keys: await Promise.all(published) };
}

/** Access tokens of SMART Backend Services: fetched once for all who wait, renewed before they end. */
export class SmartBackend implements Credentials {
  private readonly settings: SmartBackendSettings;
  private readonly transport: TokenTransport;
  private readonly clock: WaitingClock;
  private readonly key: KeyObject;
  private readonly base: URL;
  private endpoint: Promise<Endpoint> | undefined;
  private token: Token | undefined;
  private pending: Promise<Token> | undefined;

  constructor(settings: SmartBackendSettings, base: URL, transport: TokenTransport, clock: WaitingClock) {
    this.settings = settings;
    this.base = base;
    this.transport = transport;
    this.clock = clock;
    this.key = readPrivateKey(settings.privateKey, settings.algorithm);
    if (settings.tokenUrl !== undefined) this.endpoint = Promise.resolve(this.endpointAt(settings.tokenUrl));
  }

  async header(): Promise<string> {
    if (this.token !== undefined && this.clock.now().getTime() < this.token.renewAt) return this.token.header;
    this.pending ??= this.fetchToken().finally(() => {
      this.pending = undefined;
    });
    this.token = await this.pending;
    return this.token.header;
  }

  renew(header: string | undefined): boolean {
    // Another request may have renewed it meanwhile; then the new one is kept.
    if (this.token?.header === header) this.token = undefined;
    return true;
  }

  private endpointAt(text: string): Endpoint {
    const url = URL.canParse(text) ? new URL(text) : undefined;
    if (url === undefined || !/^https?:$/.test(url.protocol) || url.username !== "") {
      throw badSettings("The token URL of SMART Backend Services must be an absolute http or https URL.");
    }
    if (url.protocol === "http:" && this.base.protocol === "https:") {
      throw badSettings("The token URL is not secure although the base URL is; use its https address.");
    }
    return { url, audience: text };
  }

  private async discover(): Promise<Endpoint> {
    const { body } = await this.transport.discover();
    const endpoint = asObject(body)["token_endpoint"];
    if (typeof endpoint === "string") return this.endpointAt(endpoint);
    throw badSettings(
      "The server's .well-known/smart-configuration names no token_endpoint; give the token URL in the source's auth settings.",
    );
  }

  private async fetchToken(): Promise<Token> {
    this.endpoint ??= this.discover().catch((error: unknown) => {
      this.endpoint = undefined;
      throw error;
    });
    const { url, audience } = await this.endpoint;
    const configured = this.settings.tokenUrl !== undefined;
    const started = this.clock.now().getTime();
    const answer = await this.transport.post(url, () => this.form(audience), configured);
    const { access_token: token, expires_in: lifetime } = asObject(answer.body);
    if (answer.status !== 200 || typeof token !== "string" || !/^[\x21-\x7e]+$/.test(token)) {
      throw this.refused(answer);
    }
    const seconds = Number(lifetime);
    const lifeMs = (seconds > 0 ? seconds : DEFAULT_LIFETIME_SECONDS) * 1000;
    return {
      header: `Bearer ${token}`,
      renewAt: started + Math.max(lifeMs - RENEW_BEFORE_MS, lifeMs / 2),
    };
  }

  private refused(answer: JsonAnswer): LakeError {
    const error = asObject(answer.body)["error"];
    const code = typeof error === "string" && /^[a-z_]{1,40}$/.test(error) ? error : "no token";
    const serverTime = Date.parse(answer.headers.get("date") ?? "");
    const skew = Math.abs(serverTime - this.clock.now().getTime());
    const clocks = skew > NOTABLE_SKEW_MS ? ` The clocks differ by ${Math.round(skew / 1000)} s.` : "";
    return new LakeError(
      "invalid-input",
      "source/token",
      `The token endpoint gave no access token (status ${answer.status}, ${code}); check client id, key id, the registered public key and scope.${clocks}`,
      { details: { status: answer.status, error: code } },
    );
  }

  private async form(audience: string): Promise<URLSearchParams> {
    const { clientId, keyId, algorithm, jwksUrl, scope = "system/*.rs" } = this.settings;
    const expires = Math.floor(this.clock.now().getTime() / 1000) + ASSERTION_SECONDS;
    const assertion = await new SignJWT({ jti: randomUUID() })
      .setProtectedHeader({
        alg: algorithm,
        kid: keyId,
        typ: "JWT",
        ...(jwksUrl === undefined ? {} : { jku: jwksUrl }),
      })
      .setIssuer(clientId)
      .setSubject(clientId)
      .setAudience(audience)
      .setExpirationTime(expires)
      .sign(this.key);
    return new URLSearchParams({
      grant_type: "client_credentials",
      scope,
      client_assertion_type: ASSERTION_TYPE,
      client_assertion: assertion,
    });
  }
}
