import { badSettings } from "./errors.js";
import type { AuthSettings } from "./settings.js";

/** Gives the `Authorization` header of requests. */
export interface Credentials {
  /** The header's value, or undefined for none. */
  header(): Promise<string | undefined>;
  /** Called when the server refused `header` with 401. True: a next call may give another one. */
  renew(header: string | undefined): boolean;
}

function fixed(value: string | undefined): Credentials {
  return { header: () => Promise.resolve(value), renew: () => false };
}

/** A value that can stand in a header. */
function headerSafe(value: string, what: string): string {
  if (value === "" || /[^\x20-\x7e]/.test(value)) {
    throw badSettings(`The source's ${what} is empty or holds characters that no header can carry.`);
  }
  return value;
}

/** Credentials that do not change while a run lasts. Throws `source/bad-settings`. */
export function staticCredentials(auth: Exclude<AuthSettings, { kind: "smart-backend" }>): Credentials {
  switch (auth.kind) {
    case "none":
      return fixed(undefined);
    case "basic": {
      if (auth.user.includes(":"))
        throw badSettings("The user of basic authentication must not hold a colon.");
      return fixed(`Basic ${Buffer.from(`${auth.user}:${auth.password}`).toString("base64")}`);
    }
    case "bearer":
      return fixed(`Bearer ${headerSafe(auth.token, "bearer token")}`);
  }
}
