import type { ServerClock } from "./clock.js";
import type { ResultPages } from "./pages.js";
import type { EhrProfile } from "./profile.js";
import type { ResourceStore } from "./store.js";

/** What all parts of one server share. */
export interface DataContext {
  readonly profile: EhrProfile;
  readonly clock: ServerClock;
  readonly store: ResourceStore;
  readonly pages: ResultPages;
  /** The base URL of the FHIR API, without a slash at its end. */
  readonly base: string;
  /** What the capability statement says. */
  readonly fhirVersion: string;
  /** Whether tokens are demanded, for the capability statement. */
  readonly secured: boolean;
}

/** A request below the FHIR base. */
export interface FhirRequest {
  readonly method: string;
  /** The path below the base, decoded. */
  readonly segments: readonly string[];
  readonly query: URLSearchParams;
  readonly headers: Headers;
  /** Who asks, by token; "anonymous" without one. */
  readonly client: string;
  body(): Promise<Buffer>;
}
