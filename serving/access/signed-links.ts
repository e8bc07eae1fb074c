import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { z } from "zod";
import type { ApiKeys } from "./api-keys.js";
import type { Caller } from "./caller.js";
import type { Credentials } from "./credentials.js";
import { forbidden } from "./refusals.js";
import type { Roles } from "./roles.js";

/** What a link lets whoever holds it do: read one address, as the caller who made it, until it ends. */
const linkSchema = z.strictObject({
  /** Path and query. */
  target: z.string(),
  caller: z.string(),
  kind: z.enum(["key", "token", "local"]),
  role: z.string(),
  scopes: z.string().optional(),
  /** Milliseconds since 1970. */
  until: z.number(),
});

type Link = z.infer<typeof linkSchema>;

const NONCE = 12;
const TAG = 16;

/** A link that holds: what it reads, and for whom. */
export interface OpenedLink {
  readonly target: string;
  readonly caller: Caller;
}

/**
 * Makes and opens links to downloads for programs that can send no header. The text is encrypted, so that the address of a link tells neither
 * the question nor its maker. Whoever made it must still hold their credential and role when it is used.
 */
export class SignedLinks {
  private readonly key: Uint8Array;
  private readonly now: () => Date;
  private readonly parts: {
    readonly roles: Roles;
    readonly keys: ApiKeys;
    readonly credentials: Credentials;
  };

  /** `key` has 32 bytes. */
  constructor(key: Uint8Array, parts: SignedLinks["parts"], now: () => Date) {
    this.key = key;
    this.parts = parts;
    this.now = now;
  }

  /** The token of a link, and when it ends: after `lifetimeMs`, or with the credential of the caller. */
  make(caller: Caller, target: string, lifetimeMs: number): { readonly token: string; readonly until: Date } {
    const { id, kind, role, scopes } = caller;
    if (kind === "nobody") throw forbidden("Say who you are to make a link.");
    const until = Math.min(this.now().getTime() + lifetimeMs, caller.until ?? Number.POSITIVE_INFINITY);
    const link: Link = { target, caller: id, kind, role, until, ...(scopes === undefined ? {} : { scopes }) };
    const nonce = randomBytes(NONCE);
    const cipher = createCipheriv("aes-256-gcm", this.key, nonce);
    const body = Buffer.concat([cipher.update(JSON.stringify(link), "utf8"), cipher.final()]);
    const token = Buffer.concat([nonce, cipher.getAuthTag(), body]).toString("base64url");
    return { token, until: new Date(until) };
  }

  /** What a token stands for. Fails with `serving/forbidden` when it does not hold (any more). */
  async open(token: string): Promise<OpenedLink> {
    const link = this.decrypt(token);
    if (link === undefined) throw forbidden("This link was not made by this server, or is not whole.");
    const caller = link.until > this.now().getTime() ? await this.callerOf(link) : undefined;
    if (caller === undefined) throw forbidden("This link has ended; make a new one.");
    return { target: link.target, caller };
  }

  private async callerOf({ caller: id, kind, role: name, scopes, until }: Link): Promise<Caller | undefined> {
    const { roles, keys, credentials } = this.parts;
    if (kind === "key") {
      const record = await keys.find(id.slice("key:".length));
      return record === undefined || record.role !== name ? undefined : credentials.ofKey(record);
    }
    if (kind === "local") {
      const local = credentials.local();
      return local?.role === name ? local : undefined;
    }
    const role = roles.find(name);
    return role === undefined ? undefined : credentials.narrowed({ id, kind, role, scopes, until });
  }

  private decrypt(token: string): Link | undefined {
    const bytes = Buffer.from(token, "base64url");
    try {
      const decipher = createDecipheriv("aes-256-gcm", this.key, bytes.subarray(0, NONCE), {
        authTagLength: TAG,
      });
      decipher.setAuthTag(bytes.subarray(NONCE, NONCE + TAG));
      const plain = Buffer.concat([decipher.update(bytes.subarray(NONCE + TAG)), decipher.final()]);
      return linkSchema.parse(JSON.parse(plain.toString("utf8")));
    } catch {
      return undefined;
    }
  }
}
