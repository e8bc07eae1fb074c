import {
  type ChangeContext,
  ChangeReader,
  type DeletedResource,
  isPlaced,
  type PolledChange,
  type ReceiverPorts,
  Rejection,
  type SourceReference,
} from "#ingestion";
import type { Clock } from "#kernel";
import type { Lake } from "#lake";
import { instantOfMs, type NewChange, parseInstant } from "#landing";
import type { SourceDefinition } from "../source-run/source.js";

/** Where what polling found goes. */
export interface RecordContext {
  readonly lake: Lake;
  readonly ports: ReceiverPorts;
  readonly clock: Clock;
}

function deletedOf({ type, id, versionId, lastUpdated }: PolledChange): DeletedResource {
  const instant = lastUpdated === undefined ? undefined : parseInstant(lastUpdated);
  return {
    type,
    id,
    ...(versionId === undefined ? {} : { versionId }),
    ...(instant === undefined ? {} : { lastUpdated: { text: lastUpdated!, instant } }),
  };
}

/** Writes what polling found of one source to the journal. */
export class PolledRecorder {
  private readonly clock: Clock;
  private readonly ports: ReceiverPorts;
  private readonly reader: ChangeReader;
  private readonly name: string;
  private readonly policy: ChangeContext["policy"];

  constructor({ lake, ports, clock }: RecordContext, { name, config }: SourceDefinition) {
    this.clock = clock;
    this.ports = ports;
    this.reader = new ChangeReader(lake.definitions, { maxDepth: 64 });
    this.name = name;
    this.policy = config.order;
  }

  /**
   * Everything of these changes, durable when it answers. What cannot be stored becomes a dead letter, so that one resource does not hold up
   * all others.
   */
  async record(news: readonly PolledChange[]): Promise<void> {
    if (news.length === 0) return;
    const context: ChangeContext = {
      source: this.name,
      policy: this.policy,
      receivedAt: instantOfMs(this.clock.now().getTime()),
      sequence: await this.ports.sequence(),
    };
    const changes: NewChange[] = [];
    const unsure: SourceReference[] = [];
    const refused: { readonly change: PolledChange; readonly why: Rejection }[] = [];
    for (const change of news) {
      try {
        const read = this.read(change, context);
        if (read === undefined) unsure.push({ type: change.type, id: change.id });
        else changes.push(read);
      } catch (error) {
        if (!(error instanceof Rejection)) throw error;
        refused.push({ change, why: error });
      }
    }
    if (changes.length > 0) await this.ports.accept(changes);
    if (unsure.length > 0) await this.ports.fetchBack(this.name, unsure);
    for (const { change, why } of refused) await this.refuse(change, why);
  }

  /** The journal's entry for a change; undefined for one that is not shown, and a delete that says too little: these are read from the source. */
  private read(change: PolledChange, context: ChangeContext): NewChange | undefined {
    if (change.body !== undefined) return this.reader.update(change.body, context);
    const deleted = deletedOf(change);
    // Checked also where it is only to be asked about: type and id become part of an address.
    const read = this.reader.delete(deleted, context);
    return change.kind === "delete" && isPlaced(deleted, this.policy) ? read : undefined;
  }

  private async refuse({ type, id, body }: PolledChange, { code, message }: Rejection): Promise<void> {
    await this.ports.deadLetter({
      source: this.name,
      sender: this.name,
      code,
      message,
      body: body ?? Buffer.from(JSON.stringify({ type, id })),
    });
  }
}
