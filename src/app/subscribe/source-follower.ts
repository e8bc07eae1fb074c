import { isLakeError } from "#kernel";
import type { FollowContext } from "./context.js";
import { askAboutCounters, fillGaps, type GapWork } from "./gaps.js";
import { Healer } from "./healer.js";
import { Loop } from "./loop.js";
import type { FollowSettings } from "./settings.js";
import { Silence } from "./silence.js";
import { SubscriptionKeeper } from "./subscription-keeper.js";

const RETRY_MS = 2000;
const MOST_RETRY_MS = 300_000;

/** Follows the notifications of one source: keeps its Subscriptions, sees gaps and has them filled, and says how it stands. */
export class SourceFollower {
  private readonly context: FollowContext;
  private readonly settings: FollowSettings;
  private readonly name: string;
  private readonly loop: Loop;
  private readonly healer: Healer;
  private readonly keeper: SubscriptionKeeper;
  private readonly silence: Silence;
  private readonly gaps: GapWork;
  private failures = 0;

  constructor(context: FollowContext, settings: FollowSettings) {
    this.context = context;
    this.settings = settings;
    this.name = settings.source.name;
    this.loop = new Loop({
      step: () => this.step(),
      failed: (error) => this.failed(error),
    });
    const { loop, name } = this;
    const healer = new Healer(context, name, loop.signal);
    this.healer = healer;
    this.keeper = new SubscriptionKeeper(context, settings, { healer, loop });
    const { keeper } = this;
    this.silence = new Silence(context, name, { keeper, healer });
    this.gaps = { context, settings, keeper, healer };
  }

  /** Something was written to the source's stream. */
  wake(): void {
    this.loop.wake();
  }

  stop(): Promise<void> {
    return this.loop.stop();
  }

  private async step(): Promise<number> {
    const { keep } = this.settings;
    await this.keeper.check();
    await askAboutCounters(this.gaps);
    const waitMs = await fillGaps(this.gaps);
    await this.silence.listen(keep?.heartbeatMs);
    // Notifications of criteria carry no numbers: those that went unchecked for long are made up for too.
    await this.healer.heal(keep?.catchUpEveryMs);
    await this.tell();
    this.failures = 0;
    return waitMs;
  }

  private async failed(error: unknown): Promise<number> {
    this.context.onError?.(error);
    const reason = isLakeError(error) ? error.message : "The source's server could not be asked.";
    await this.context.states.set(this.name, "error", reason);
    // Whatever it was, it is looked at anew.
    this.keeper.lookAnew();
    return Math.min(MOST_RETRY_MS, RETRY_MS * 2 ** this.failures++);
  }

  /** Says how the source stands. */
  private async tell(): Promise<void> {
    const { states } = this.context;
    const { dirty } = this.context.log.of(this.name);
    const before = states.sourceState(this.name)?.state;
    if (dirty !== undefined) {
      // A run that failed said so; one that is due comes with the next step.
      if (before !== "gap" || !this.healer.isPutOff) await states.set(this.name, "catching-up", dirty.reason);
      return;
    }
    const { reason } = this.silence;
    await (reason === undefined ? states.set(this.name, "live") : states.set(this.name, "gap", reason));
  }
}
