import type { JSONWebKeySet } from "jose";

/** A client registered for SMART Backend Services: with its keys or the URL of its key set. */
export interface BackendClient {
  readonly clientId: string;
  readonly jwks?: JSONWebKeySet;
  readonly jwksUrl?: string;
}

/** What the server demands of clients. Everything given is accepted; an empty object demands nothing. */
export interface ServerAuth {
  readonly smart?: {
    readonly clients: readonly BackendClient[];
    /** Life of access tokens in seconds (default 300, as the profile advises at most). */
    readonly tokenSeconds?: number;
    /** Scopes that may be granted (default `system/*.rs`, `system/*.read`). */
    readonly scopes?: readonly string[];
  };
  /** A fixed bearer token. */
  readonly bearer?: string;
  readonly basic?: { readonly user: string; readonly password: string };
}
