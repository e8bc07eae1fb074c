import {
  type ChangeContext,
  type ChangeReader,
  type Deletion,
  type FhirHttp,
  isPlaced,
  type ReadResult,
  Rejection,
  readDeletion,
  readResource,
} from "#ingestion";
import { isLakeError, LakeError } from "#kernel";
import { instantOfMs, type NewChange, type OrderPolicy, parseInstant } from "#landing";
import type { NamedResource } from "./named-resource.js";

/** A source that resources can be read from. */
export interface FetchSource {
  readonly policy: OrderPolicy;
  readonly http: FhirHttp;
}

/** What became of one named resource. */
export type Looked =
  | { readonly kind: "change"; readonly change: NewChange }
  /** What the source has cannot be stored. */
  | { readonly kind: "refused"; readonly rejection: Rejection; readonly body: Uint8Array }
  /** It cannot be told by reading it; a run of the source may. */
  | { readonly kind: "unknown"; readonly reason: string }
  /** No answer; `isFinal` when asking again will not help. */
  | { readonly kind: "failed"; readonly error: unknown; readonly isFinal: boolean };

/** What looking at resources of one source takes. */
export interface LookRequest {
  readonly name: string;
  readonly source: FetchSource;
  readonly reader: ChangeReader;
  /** Greatest order key known of a resource; undefined where nothing is known of it. */
  readonly knownOrder: (type: string, id: string) => Promise<string | undefined>;
  readonly context: () => Promise<Omit<ChangeContext, "source" | "policy">>;
  readonly signal: AbortSignal;
}

/** What a resource is at its source, and what was known of it before it was asked for. */
interface Seen {
  readonly found: ReadResult;
  readonly order: string | undefined;
}

/** Answers that say something about the one resource, not about the source. */
const FINAL = ["source/search-refused", "source/refused", "source/answer-too-big", "source/not-json"];
const ABSENT = "A resource that was notified by name could not be found at its source.";
const HIDDEN = "A resource that was notified by name may not be read at its source.";
const OTHER = "The source answered with another resource than the one that was notified.";
const UNREADABLE = "A notification named a resource whose id cannot stand in an address.";

/** Path segments that an address does not keep (RFC 3986 5.2.4), although FHIR allows them as ids. */
function isAddressable({ id }: NamedResource): boolean {
  return id !== "." && id !== "..";
}

/** Reads one resource that was notified by name. */
export class Look {
  private readonly request: LookRequest;

  constructor(request: LookRequest) {
    this.request = request;
  }

  /**
   * What became of it: 200 is an update, 410 a delete. 404 may be a replica that lags: undefined the first time, so that it is asked for
   * `again`; then it is a delete of what is known here, and of what is not, nobody can tell.
   */
  async at(named: NamedResource, again: boolean): Promise<Looked | undefined> {
    if (!isAddressable(named)) return { kind: "unknown", reason: UNREADABLE };
    try {
      const seen = await this.see(named);
      if (seen.found.kind === "absent" && !again) return undefined;
      return await this.judge(named, seen);
    } catch (error) {
      if (this.request.signal.aborted) throw error;
      // A delete of a type that FHIR does not have.
      if (error instanceof Rejection)
        return { kind: "refused", rejection: error, body: Buffer.from(JSON.stringify(named)) };
      return { kind: "failed", error, isFinal: FINAL.some((code) => isLakeError(error, code)) };
    }
  }

  private async see({ type, id }: NamedResource): Promise<Seen> {
    const { source, knownOrder, signal } = this.request;
    // Before the answer: what becomes known after it is newer than the answer.
    const order = await knownOrder(type, id);
    return { found: await readResource({ http: source.http, type, id, signal }), order };
  }

  private async judge(named: NamedResource, { found, order }: Seen): Promise<Looked> {
    if (found.kind === "hidden") return { kind: "unknown", reason: HIDDEN };
    if (found.kind === "live") return await this.update(named, found.text);
    if (found.kind === "absent" && order === undefined) return { kind: "unknown", reason: ABSENT };
    const deletion = found.kind === "gone" ? await this.deletion(named) : undefined;
    return await this.delete(named, { order, deletion, serverMs: found.serverMs });
  }

  private async deletion({ type, id }: NamedResource): Promise<Deletion | undefined> {
    const { source, signal } = this.request;
    const deletion = await readDeletion({ http: source.http, type, id, signal });
    if (deletion !== "live") return deletion;
    throw new LakeError("unavailable", "app/fetch-back", "A resource came back while it was read.", {
      retryable: true,
    });
  }

  private async update({ type, id }: NamedResource, text: string): Promise<Looked> {
    const body = Buffer.from(text);
    try {
      const change = this.request.reader.update(body, await this.context());
      if (change.type !== type || change.id !== id) return { kind: "unknown", reason: OTHER };
      return { kind: "change", change };
    } catch (rejection) {
      if (!(rejection instanceof Rejection)) throw rejection;
      return { kind: "refused", rejection, body };
    }
  }

  /**
   * A delete takes its place from the resource's history. Where there is none it is just newer than everything known before the source
   * answered, and by the source's clock if that is later: ours may run ahead, and would hide what is created again.
   */
  private async delete(
    named: NamedResource,
    facts: Pick<Seen, "order"> & {
      readonly deletion: Deletion | undefined;
      readonly serverMs: number | undefined;
    },
  ): Promise<Looked> {
    const { versionId, lastUpdated } = facts.deletion ?? {};
    const instant = lastUpdated === undefined ? undefined : parseInstant(lastUpdated);
    const told = {
      ...named,
      ...(versionId === undefined ? {} : { versionId }),
      ...(instant === undefined ? {} : { lastUpdated: { text: lastUpdated!, instant } }),
    };
    const context = await this.context(facts.serverMs);
    const after = isPlaced(told, context.policy) ? undefined : facts.order?.slice(0, 32);
    const deleted = { ...told, ...(after === undefined ? {} : { after }) };
    return { kind: "change", change: this.request.reader.delete(deleted, context) };
  }

  private async context(serverMs?: number): Promise<ChangeContext> {
    const { name, source, context } = this.request;
    const { receivedAt, sequence } = await context();
    return {
      source: name,
      policy: source.policy,
      receivedAt: serverMs === undefined ? receivedAt : instantOfMs(serverMs),
      sequence,
    };
  }
}
