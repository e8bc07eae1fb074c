import { LakeError } from "#kernel";
import { badSettings } from "./errors.js";

/** `home`: the base's own origin, the only one to get credentials; `listed`: allowed by the settings; `foreign`: any other. */
export type Trust = "home" | "listed" | "foreign";

/** The base URL with a last slash. Throws `source/bad-settings`. */
export function parseBase(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw badSettings("The source's base URL must be an absolute http or https URL.");
  }
  if (url.username !== "" || url.password !== "") {
    throw badSettings("The source's base URL must not hold a user or password; use the auth settings.");
  }
  if (url.search !== "" || url.hash !== "") {
    throw badSettings("The source's base URL must end with its path, without query or fragment.");
  }
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  return url;
}

/** Which URLs may be asked, and how they are named in messages. */
export class Origins {
  readonly base: URL;
  private readonly listed: ReadonlySet<string>;

  constructor(base: URL, listed: readonly string[]) {
    this.base = base;
    this.listed = new Set(
      listed.map((text) => {
        const url = URL.canParse(text) ? new URL(text) : undefined;
        if (url !== undefined && /^https?:$/.test(url.protocol) && url.href === `${url.origin}/`)
          return url.origin;
        throw badSettings(
          `'${text}' is no origin: write allowed file origins as https://files.example.org, without a path.`,
        );
      }),
    );
  }

  trust(url: URL): Trust {
    if (url.origin === this.base.origin) return "home";
    return this.listed.has(url.origin) ? "listed" : "foreign";
  }

  /** An absolute URL as it is, anything else below the base (a leading slash does not leave the base). */
  resolve(target: string | URL): URL {
    if (target instanceof URL) return target;
    if (/^[a-z][a-z0-9+.-]*:/i.test(target)) {
      if (URL.canParse(target)) return new URL(target);
      throw new LakeError("corrupt-data", "source/foreign-url", "The server gave a URL that is none.");
    }
    return new URL(target.replace(/^\/+/, ""), this.base);
  }

  /** Refuses a URL that may not be asked at all, or only without credentials. `openFile`: a capability URL or a redirect to a file. */
  check(url: URL, openFile: boolean): Trust {
    const refuse = (why: string): LakeError =>
      new LakeError(
        "invalid-input",
        "source/foreign-url",
        `The server sends us to ${url.protocol}//${url.host}, which is not asked: ${why}`,
        { details: { origin: url.origin } },
      );
    if (!/^https?:$/.test(url.protocol)) throw refuse("only http and https are used.");
    if (url.username !== "" || url.password !== "") throw refuse("the URL holds a user name.");
    const trust = this.trust(url);
    if (trust === "foreign") {
      if (!openFile) {
        throw refuse("it is not the origin of the base URL; if it is right, list it in allowedFileOrigins.");
      }
      if (this.base.protocol === "https:" && url.protocol !== "https:") {
        throw refuse("it would leave the secure connection.");
      }
    }
    return trust;
  }

  /** `Patient/[id]`, below the base; otherwise the origin alone. Holds no query and no id. */
  name(url: URL): string {
    const { base } = this;
    if (url.origin !== base.origin) return url.origin;
    if (!url.pathname.startsWith(base.pathname)) return `${url.origin}/…`;
    const parts = url.pathname.slice(base.pathname.length).split("/");
    const shown = parts.map((part, i) =>
      i === 0 || part.startsWith("$") || part.startsWith("_") ? part : "[id]",
    );
    const path = shown.map((part) => (/^[A-Za-z_$.-]{1,64}$|^\[id\]$/.test(part) ? part : "[…]"));
    return path.join("/") || "the base URL";
  }
}
