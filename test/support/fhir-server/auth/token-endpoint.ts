import { createLocalJWKSet, createRemoteJWKSet, decodeJwt, errors, jwtVerify } from "jose";
import type { ServerClock } from "../clock.js";
import type { Authorization } from "./authorization.js";
import type { BackendClient, ServerAuth } from "./settings.js";

const ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const LONGEST_ASSERTION_SECONDS = 300;
const DEFAULT_SCOPES = ["system/*.rs", "system/*.read"];

/** An OAuth error answer (RFC 6749 5.2). */
class TokenRefusal extends Error {
  readonly error: string;
  readonly status: number;

  constructor(error: string, description: string, status = 400) {
    super(description);
    this.error = error;
    this.status = status;
  }
}

/** The token endpoint of SMART Backend Services: client assertions signed with RS384 or ES384, each used once. */
export class TokenEndpoint {
  readonly #smart: NonNullable<ServerAuth["smart"]>;
  readonly #authorization: Authorization;
  readonly #clock: ServerClock;
  readonly #usedIds = new Map<string, number>();
  readonly url: string;

  constructor(
    url: string,
    smart: NonNullable<ServerAuth["smart"]>,
    authorization: Authorization,
    clock: ServerClock,
  ) {
    this.url = url;
    this.#smart = smart;
    this.#authorization = authorization;
    this.#clock = clock;
  }

  /** Answers a token request. */
  async answer(form: URLSearchParams): Promise<Response> {
    const headers = { "content-type": "application/json", "cache-control": "no-store", pragma: "no-cache" };
    try {
      const body = await this.#grant(form);
      return new Response(JSON.stringify(body), { headers });
    } catch (error) {
      if (!(error instanceof TokenRefusal)) throw error;
      const body = { error: error.error, error_description: error.message };
      return new Response(JSON.stringify(body), { status: error.status, headers });
    }
  }

  async #grant(form: URLSearchParams): Promise<unknown> {
    if (form.get("grant_type") !== "client_credentials")
      throw new TokenRefusal("unsupported_grant_type", "grant_type must be client_credentials.");
    if (form.get("client_assertion_type") !== ASSERTION_TYPE)
      throw new TokenRefusal("invalid_request", `client_assertion_type must be ${ASSERTION_TYPE}.`);
    const client = await this.#verify(form.get("client_assertion") ?? "");
    const allowed = this.#smart.scopes ?? DEFAULT_SCOPES;
    const granted = (form.get("scope") ?? "").split(" ").filter((scope) => allowed.includes(scope));
    if (granted.length === 0) throw new TokenRefusal("invalid_scope", "No scope asked for may be granted.");
    const seconds = this.#smart.tokenSeconds ?? 300;
    return {
      access_token: this.#authorization.issue(client.clientId, seconds),
      token_type: "bearer",
      expires_in: seconds,
      scope: granted.join(" "),
    };
  }

  async #verify(assertion: string): Promise<BackendClient> {
    try {
      const claimed = decodeJwt(assertion);
      const client = this.#smart.clients.find(({ clientId }) => clientId === claimed.iss);
      if (client === undefined)
        throw new TokenRefusal("invalid_client", "The client is not registered.", 401);
      const options = {
        algorithms: ["RS384", "ES384"],
        issuer: client.clientId,
        subject: client.clientId,
        audience: this.url,
        requiredClaims: ["exp", "jti"],
        currentDate: new Date(this.#clock.now()),
      };
      const { payload, protectedHeader } =
        client.jwks !== undefined
          ? await jwtVerify(assertion, createLocalJWKSet(client.jwks), options)
          : await jwtVerify(assertion, createRemoteJWKSet(new URL(client.jwksUrl ?? "")), options);
      if (protectedHeader.kid === undefined)
        throw new TokenRefusal("invalid_client", "The assertion names no key (kid).", 401);
      this.#checkUse(payload.exp!, payload.jti!, client.clientId);
      return client;
    } catch (error) {
      if (error instanceof errors.JOSEError) throw new TokenRefusal("invalid_client", error.message, 401);
      throw error;
    }
  }

  #checkUse(exp: number, jti: string, clientId: string): void {
    const now = this.#clock.now() / 1000;
    if (exp > now + LONGEST_ASSERTION_SECONDS)
      throw new TokenRefusal("invalid_client", "exp is more than five minutes ahead.", 401);
    for (const [used, until] of this.#usedIds) if (until < now) this.#usedIds.delete(used);
    const use = `${clientId}\0${jti}`;
    if (this.#usedIds.has(use)) throw new TokenRefusal("invalid_client", "This jti was used before.", 401);
    this.#usedIds.set(use, exp);
  }
}

/** `.well-known/smart-configuration` of a server with backend services. */
export function smartConfiguration(tokenUrl: string, scopes: readonly string[] | undefined): string {
  return JSON.stringify({
    token_endpoint: tokenUrl,
    grant_types_supported: ["client_credentials"],
    token_endpoint_auth_methods_supported: ["private_key_jwt"],
    token_endpoint_auth_signing_alg_values_supported: ["RS384", "ES384"],
    scopes_supported: scopes ?? DEFAULT_SCOPES,
    capabilities: ["client-confidential-asymmetric", "permission-v2"],
  });
}
