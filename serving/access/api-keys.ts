import { createHash, randomBytes, timingSafeEqual } from "node:crypto";

/** What is kept of an API key: never the key. */
export interface KeyRecord {
  /** 12 hex digits, which stand in the key too. */
  readonly id: string;
  /** What people call it. */
  readonly name: string;
  readonly role: string;
  /** ISO instants. */
  readonly createdAt: string;
  readonly expiresAt?: string;
  readonly revokedAt?: string;
  /** Of the secret part, which is 256 random bits and so cannot be tried, hex. */
  readonly sha256: string;
}

/** Where records of keys are kept. */
export interface KeyRecords {
  /** The record of an id, as it stands now; undefined when there is none. */
  get(id: string): Promise<KeyRecord | undefined>;
}

const PREFIX = "fhirlake";
const keyPattern = /^fhirlake_([0-9a-f]{12})_([A-Za-z0-9_-]{43})$/;

/** True for text that has the form of an API key. */
export function isApiKey(text: string): boolean {
  return text.startsWith(`${PREFIX}_`);
}

function digest(secret: string): Buffer {
  return createHash("sha256").update(secret).digest();
}

/** A new key: the text to give away, once, and the record to keep. */
export function newApiKey(about: Pick<KeyRecord, "name" | "role" | "createdAt" | "expiresAt">): {
  readonly key: string;
  readonly record: KeyRecord;
} {
  const id = randomBytes(6).toString("hex");
  const secret = randomBytes(32).toString("base64url");
  const record = { ...about, id, sha256: digest(secret).toString("hex") };
  return { key: `${PREFIX}_${id}_${secret}`, record };
}

/** True while a key's record holds. */
export function holds(record: KeyRecord, now: Date): boolean {
  if (record.revokedAt !== undefined) return false;
  return record.expiresAt === undefined || Date.parse(record.expiresAt) > now.getTime();
}

/** How long a record is trusted before it is read again: a revoked key goes on for so long at most. */
const TRUST_MS = 5_000;
const MOST_KNOWN = 10_000;

/** Checks keys against their records. */
export class ApiKeys {
  private readonly records: KeyRecords;
  private readonly now: () => Date;
  private readonly known = new Map<string, { readonly record: KeyRecord | undefined; readonly at: number }>();

  constructor(records: KeyRecords, now: () => Date) {
    this.records = records;
    this.now = now;
  }

  /** The record of an id while it holds; at most five seconds old. */
  async find(id: string): Promise<KeyRecord | undefined> {
    const now = this.now();
    let known = this.known.get(id);
    if (known === undefined || now.getTime() - known.at >= TRUST_MS || now.getTime() < known.at) {
      known = { record: await this.records.get(id), at: now.getTime() };
      this.known.delete(id);
      this.known.set(id, known);
      for (const oldest of this.known.keys()) {
        if (this.known.size <= MOST_KNOWN) break;
        this.known.delete(oldest);
      }
    }
    return known.record !== undefined && holds(known.record, now) ? known.record : undefined;
  }

  /** The record of a key that holds; undefined for any other text. */
  async check(text: string): Promise<KeyRecord | undefined> {
    const match = keyPattern.exec(text);
    if (match === null) return undefined;
    const record = await this.find(match[1]!);
    const given = digest(match[2]!);
    const kept = Buffer.from(record?.sha256 ?? "0".repeat(64), "hex");
    const isSame = kept.length === given.length && timingSafeEqual(kept, given);
    return isSame ? record : undefined;
  }
}
