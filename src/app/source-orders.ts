import { otherOrder } from "#batch";
import type { EventStore } from "#events";
import type { ReceiverPorts } from "#ingestion";
import { shareCalls } from "#kernel";
import type { Lake } from "#lake";
import { changeOf, changeStream, type OrderPolicy } from "#landing";

/** How the versions of each source are ordered already, for those who bring new ones. */
export class SourceOrders {
  private readonly journal: EventStore;
  private readonly latest: () => ReturnType<Lake["history"]["latest"]>;
  private readonly ofLake = new Map<string, OrderPolicy>();
  private readonly ofJournal = new Map<string, OrderPolicy>();

  constructor(lake: Lake, journal: EventStore) {
    this.journal = journal;
    // Under load many changes share one look.
    this.latest = shareCalls(() => lake.history.latest());
  }

  /**
   * Errors: `batch/order-policy` when the lake, or the journal where the lake does not know the source yet, orders its versions otherwise:
   * a new version would look older than every known one, and never be seen.
   */
  async check(source: string, given: OrderPolicy): Promise<void> {
    const known = (await this.inLake(source)) ?? (await this.inJournal(source));
    if (known !== undefined && known !== given) throw otherOrder(source, known, given);
  }

  /** Fixed by the first commit, so it is looked up until there is one. */
  private async inLake(source: string): Promise<OrderPolicy | undefined> {
    if (!this.ofLake.has(source)) {
      const policy = (await this.latest())?.sources[source]?.policy;
      if (policy !== undefined) this.ofLake.set(source, policy);
    }
    return this.ofLake.get(source);
  }

  /** The first change decides: by its order the first flush commits the source. */
  private async inJournal(source: string): Promise<OrderPolicy | undefined> {
    if (this.ofJournal.has(source)) return this.ofJournal.get(source);
    for await (const event of this.journal.readStream(changeStream(source))) {
      const policy = changeOf(event)?.policy;
      if (policy === undefined) continue;
      this.ofJournal.set(source, policy);
      return policy;
    }
    return undefined;
  }
}

/** Ports that take no change which is ordered otherwise: who brings it keeps it until the configuration was put right. */
export function orderedPorts(ports: ReceiverPorts, orders: SourceOrders): ReceiverPorts {
  return {
    ...ports,
    accept: async (changes) => {
      const given = new Map(changes.map(({ source, policy }) => [source, policy]));
      for (const [source, policy] of given) await orders.check(source, policy);
      await ports.accept(changes);
    },
  };
}
