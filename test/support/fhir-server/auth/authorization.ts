import { randomBytes } from "node:crypto";
import type { ServerClock } from "../clock.js";
import { FhirRefusal } from "../outcome.js";
import type { ServerAuth } from "./settings.js";

interface IssuedToken {
  readonly client: string;
  readonly expiresAt: number;
}

/** Decides who may ask: knows the tokens that were issued. */
export class Authorization {
  readonly #auth: ServerAuth;
  readonly #clock: ServerClock;
  readonly #tokens = new Map<string, IssuedToken>();

  constructor(auth: ServerAuth, clock: ServerClock) {
    this.#auth = auth;
    this.#clock = clock;
  }

  /** Whether requests need credentials. */
  get demanded(): boolean {
    return Object.values(this.#auth).some((kind) => kind !== undefined);
  }

  /** A new access token. */
  issue(client: string, seconds: number): string {
    const token = randomBytes(32).toString("base64url");
    this.#tokens.set(token, { client, expiresAt: this.#clock.now() + seconds * 1000 });
    return token;
  }

  /** Makes all tokens issued so far invalid. */
  revokeAll(): void {
    this.#tokens.clear();
  }

  /** Who asks; 401 when credentials are demanded and missing, wrong or expired. */
  client(header: string | null): string {
    if (!this.demanded) return "anonymous";
    const [scheme, value = ""] = (header ?? "").split(" ");
    if (scheme?.toLowerCase() === "bearer") {
      const token = this.#tokens.get(value);
      if (token !== undefined && this.#clock.now() < token.expiresAt) return token.client;
      if (this.#auth.bearer !== undefined && value === this.#auth.bearer) return "bearer";
    }
    const basic = this.#auth.basic;
    if (scheme?.toLowerCase() === "basic" && basic !== undefined) {
      const expected = Buffer.from(`${basic.user}:${basic.password}`).toString("base64");
      if (value === expected) return basic.user;
    }
    throw new FhirRefusal(401, "login", "Valid credentials are required.", {
      "www-authenticate": header === null ? "Bearer" : 'Bearer error="invalid_token"',
    });
  }
}
