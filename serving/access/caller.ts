import type { ViewPolicy } from "#query";
import type { Permission } from "./permission.js";

/** Somebody who asks: who they are, what they may do, and what of the lake exists for them. */
export interface Caller {
  /** Names them in the audit log: `key:<id>`, `token:<issuer> <subject>`, `local`, `nobody`. */
  readonly id: string;
  readonly kind: "key" | "token" | "local" | "nobody";
  readonly role: string;
  readonly permissions: ReadonlySet<Permission>;
  /** Undefined where everything is shown. */
  readonly policy: ViewPolicy | undefined;
  /** The scopes that narrow the role, as the token has them. */
  readonly scopes?: string;
  /** Milliseconds since 1970 when the credential ends by itself. */
  readonly until?: number;
}

/** Asks without a credential what everybody may: no view exists for them. */
export const nobody: Caller = {
  id: "nobody",
  kind: "nobody",
  role: "nobody",
  permissions: new Set(["public"]),
  policy: { views: [] },
};
