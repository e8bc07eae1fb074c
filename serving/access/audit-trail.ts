import { createHmac } from "node:crypto";
import { LakeError } from "#kernel";

/** Something that was asked, as the audit log has it. Never values: where a question names some, digests of them. */
export interface AuditEntry {
  /**
   * `disclosed`: rows or counts are about to leave. `changing`: something is about to be changed. `refused`: a caller may not do it.
   * `ended`: how an earlier entry of the same request came out.
   */
  readonly kind: "disclosed" | "changing" | "refused" | "ended";
  /** ISO instant. */
  readonly at: string;
  /** The id of the request, which its caller may have chosen. */
  readonly request: string;
  /** The same in the records of one answer, and in no others. */
  readonly answer: string;
  readonly caller?: { readonly id: string; readonly kind: string; readonly role: string };
  /** What the caller says it is for. */
  readonly purpose?: string;
  readonly method?: string;
  readonly route?: string;
  /** Names from the address: the view, the cohort. */
  readonly target?: Readonly<Record<string, string>>;
  /** Parameters: names of columns as they are, values as digests. */
  readonly question?: Readonly<Record<string, string | readonly string[]>>;
  readonly snapshot?: number;
  readonly epoch?: number;
  /** Digest of the policy that applied; absent where everything was shown. */
  readonly policy?: string;
  readonly status?: number;
  /** Null when it is not known yet. */
  readonly rows?: number | null;
  readonly complete?: boolean;
}

/** A link of the chain, as it is stored. */
export interface AuditLink {
  /** Hex, of the link before; 64 zeros in the first. */
  readonly previous: string;
  /** Hex HMAC of `previous` and `entry`. */
  readonly hash: string;
  /** JSON text of an {@link AuditEntry}, to the letter as it was hashed. */
  readonly entry: string;
}

/** Where links stand: numbered from 1 without gaps. */
export interface AuditStream {
  /** Appends links after the one of that number (0: none), all or none. Answers false when others stand there by now. */
  append(links: readonly AuditLink[], after: number): Promise<boolean>;
  /** Links from a number on. */
  read(from: number): AsyncIterable<{ readonly number: number; readonly link: AuditLink }>;
  /** The number of the last link; 0 when there is none. */
  last(): Promise<number>;
}

const FIRST = "0".repeat(64);
const AT_ONCE = 500;
const MOST_TRIES = 50;

function linkHash(key: Uint8Array, previous: string, entry: string): string {
  return createHmac("sha256", key).update(`${previous}\n${entry}`).digest("hex");
}

interface Waiting {
  readonly entry: string;
  resolve(): void;
  reject(error: unknown): void;
}

/**
 * Writes the audit log: a chain in which each link holds the hash of the one before, made with a key, so that nothing can be changed, added
 * or taken out between others without the key. Entries that come at one time are written together; several processes share a chain.
 */
export class AuditTrail {
  private readonly stream: AuditStream;
  private readonly key: Uint8Array;
  private readonly waiting: Waiting[] = [];
  private tail: { readonly number: number; readonly hash: string } | undefined;
  private writing = false;

  constructor(stream: AuditStream, key: Uint8Array) {
    this.stream = stream;
    this.key = key;
  }

  /** A digest of a value in a question: equal values have equal digests, which nobody makes without the key. */
  digest(value: string): string {
    return valueDigest(this.key, value);
  }

  /** Resolves when the entry is durable. Fails with `serving/audit-unavailable`. */
  append(entry: AuditEntry): Promise<void> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ entry: JSON.stringify(entry), resolve, reject });
      if (!this.writing) void this.drain();
    });
  }

  private async drain(): Promise<void> {
    this.writing = true;
    // Everything of one turn of the loop goes together.
    await Promise.resolve();
    while (this.waiting.length > 0) {
      const batch = this.waiting.splice(0, AT_ONCE);
      try {
        await this.write(batch.map(({ entry }) => entry));
        for (const one of batch) one.resolve();
      } catch (cause) {
        this.tail = undefined;
        const error = new LakeError(
          "unavailable",
          "serving/audit-unavailable",
          "What is answered must be written to the audit log first, which is not possible just now; try again.",
          { retryable: true, cause },
        );
        for (const one of batch) one.reject(error);
      }
    }
    this.writing = false;
  }

  private async write(entries: readonly string[]): Promise<void> {
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      const { number, hash } = this.tail ?? (await this.readTail());
      const links: AuditLink[] = [];
      let previous = hash;
      for (const entry of entries) {
        links.push({ previous, hash: linkHash(this.key, previous, entry), entry });
        previous = links.at(-1)!.hash;
      }
      if (await this.stream.append(links, number)) {
        this.tail = { number: number + links.length, hash: previous };
        return;
      }
      this.tail = undefined;
    }
    throw new LakeError("conflict", "serving/audit-contended", "Others kept writing to the audit log.");
  }

  private async readTail(): Promise<{ readonly number: number; readonly hash: string }> {
    const last = await this.stream.last();
    if (last === 0) return { number: 0, hash: FIRST };
    for await (const { number, link } of this.stream.read(last)) {
      if (number === last) return { number, hash: link.hash };
    }
    throw new LakeError(
      "corrupt-data",
      "serving/audit-broken",
      `Link ${last} of the audit log is not there; fhir-lake audit verify says more.`,
    );
  }
}

/** See {@link AuditTrail.digest}. */
export function valueDigest(key: Uint8Array, value: string): string {
  return createHmac("sha256", key).update(`value\n${value}`).digest("hex").slice(0, 24);
}

/** What checking the chain came to. */
export interface AuditVerdict {
  readonly links: number;
  /** Hash of the last link: noted elsewhere, it proves later that nothing was cut off. */
  readonly head: string;
  /** Number of the first link that is not as it was written, and why; undefined when all are. */
  readonly broken: { readonly link: number; readonly reason: string } | undefined;
}

/** Checks every link. */
export async function verifyAudit(stream: AuditStream, key: Uint8Array): Promise<AuditVerdict> {
  let [number, previous] = [0, FIRST];
  const broken = (link: number, reason: string): AuditVerdict => ({
    links: number,
    head: previous,
    broken: { link, reason },
  });
  for await (const { number: found, link } of stream.read(1)) {
    if (found !== number + 1) return broken(number + 1, "it is missing");
    const { previous: before, hash, entry } = link;
    if (before !== previous) return broken(found, "it does not follow the one before");
    if (typeof entry !== "string" || hash !== linkHash(key, previous, entry)) {
      return broken(found, "it was changed, or written with another key");
    }
    [number, previous] = [found, hash];
  }
  const last = await stream.last();
  return number < last
    ? broken(number + 1, `it and all up to ${last} are missing`)
    : { links: number, head: previous, broken: undefined };
}
