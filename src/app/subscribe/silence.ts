import type { SubscriptionServer } from "#ingestion";
import type { FollowContext } from "./context.js";
import { followEvents } from "./follow-state.js";
import type { Healer } from "./healer.js";
import type { SubscriptionKeeper } from "./subscription-keeper.js";

const SILENCE = "No heartbeat is heard although the server says that it sends.";

/** Notices that Subscriptions of a source are heard no more, and asks their server about them once per heartbeat. */
export class Silence {
  private readonly context: FollowContext;
  private readonly name: string;
  private readonly keeper: SubscriptionKeeper;
  private readonly healer: Healer;
  private askAtMs = 0;
  private isSilent = false;

  constructor(context: FollowContext, name: string, parts: { keeper: SubscriptionKeeper; healer: Healer }) {
    this.context = context;
    this.name = name;
    this.keeper = parts.keeper;
    this.healer = parts.healer;
  }

  /** Why nothing is heard although the server says that it sends; undefined while something is. */
  get reason(): string | undefined {
    return this.isSilent ? SILENCE : undefined;
  }

  private get sequences() {
    return this.context.log.of(this.name).sequences;
  }

  /** Asks where nothing was heard for two heartbeats. */
  async listen(heartbeatMs: number | undefined): Promise<void> {
    const { keptServer, followed } = this.keeper;
    if (heartbeatMs === undefined || keptServer === undefined || followed === undefined) return;
    const now = this.context.clock.now().getTime();
    const quiet = [...followed].filter((id) => {
      const sequence = this.sequences.get(id);
      return sequence === undefined || now - sequence.heardMs > 2 * heartbeatMs;
    });
    if (quiet.length === 0) {
      this.isSilent = false;
      return;
    }
    if (now < this.askAtMs) return;
    this.askAtMs = now + heartbeatMs;
    for (const id of quiet) await this.ask(keptServer, id);
  }

  private async ask(server: SubscriptionServer, id: string): Promise<void> {
    const found = await server.read(id);
    if (found?.status !== "active" && found?.status !== "requested") {
      // Gone, in error or off: compared and put right at once.
      this.keeper.lookAtOnce();
      return;
    }
    this.isSilent = true;
    const answer = await server.status(id);
    const count = answer?.eventsSinceStart;
    const known = this.sequences.get(id);
    if (answer === undefined || count === undefined) {
      await this.healer.mark(SILENCE);
    } else if (known === undefined) {
      await this.healer.mark(SILENCE, followEvents.told(id, answer));
    } else if (count > known.counter || count < known.contiguous) {
      // Remembered, so that it is asked for or run for once: a number too many is a gap, one too few a server that counts anew.
      await this.context.log.append(this.name, followEvents.told(id, answer));
    }
  }
}
