import { isLakeError } from "#kernel";
import type { FollowContext } from "./context.js";
import { askAboutCounters, fillGaps, type GapWork } from "./gaps.js";
import { Healer } from "./healer.js";
import { HealingBeside } from "./healing-beside.js";
import { Loop } from "./loop.js";
import type { FollowSettings } from "./settings.js";
import { Silence } from "./silence.js";
import { SubscriptionKeeper } from "./subscription-keeper.js";
import { tellLive } from "./tell-live.js";

const RETRY_MS = 2000;
const MOST_RETRY_MS = 300_000;

/** Follows the notifications of one source: keeps its Subscriptions, sees gaps and has them filled, and says how it stands. */
export class SourceFollower {
  private readonly context: FollowContext;
  private readonly settings: FollowSettings;
  private readonly name: string;
  private readonly loop: Loop;
  private readonly healer: Healer;
  private readonly healing: HealingBeside;
  private readonly keeper: SubscriptionKeeper;
  private readonly silence: Silence;
  private readonly gaps: GapWork;
  private failures = 0;
  private checkFailures = 0;
  private checkAgainAtMs = 0;
  /** Why the Subscriptions could not be looked at or put right. */
  private checkProblem: string | undefined;
  private isNew = true;

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
    // Subscriptions are kept meanwhile, however long it takes.
    this.healing = new HealingBeside(healer, {
      signal: loop.signal,
      onError: context.onError,
      done: () => loop.wake(),
    });
    this.keeper = new SubscriptionKeeper(context, settings, { healer, loop });
    const { keeper } = this;
    this.silence = new Silence(context, name, { keeper, healer });
    this.gaps = { context, settings, keeper, healer };
  }

  /** Something was written to the source's stream. */
  wake(): void {
    this.loop.wake();
  }

  async stop(): Promise<void> {
    await this.loop.stop();
    await this.healing.ended();
  }

  private async step(): Promise<number> {
    const { keep } = this.settings;
    await this.begin();
    await this.check();
    await askAboutCounters(this.gaps);
    const waitMs = await fillGaps(this.gaps);
    await this.silence.listen(keep?.heartbeatMs);
    // Notifications of criteria carry no numbers: those that went unchecked for long are made up for too.
    this.healing.begin(keep?.catchUpEveryMs);
    await this.tell();
    this.failures = 0;
    return waitMs;
  }

  /** Nobody knows what was told while nobody listened, where Subscriptions are somebody else's and do not count. */
  private async begin(): Promise<void> {
    if (!this.isNew) return;
    const { sequences } = this.context.log.of(this.name);
    if (this.settings.keep === undefined && sequences.size === 0)
      await this.healer.mark("The source is followed from now on; what changed before is being fetched.");
    this.isNew = false;
  }

  /** Keeps the Subscriptions. What else there is to do does not wait until a server lets them be put right. */
  private async check(): Promise<void> {
    if (this.now() < this.checkAgainAtMs) return;
    try {
      await this.keeper.check();
      this.checkProblem = undefined;
      this.checkFailures = 0;
    } catch (error) {
      if (this.loop.signal.aborted) throw error;
      this.context.onError?.(error);
      this.checkProblem = told(error);
      this.checkAgainAtMs = this.now() + Math.min(MOST_RETRY_MS, RETRY_MS * 2 ** this.checkFailures++);
      this.keeper.lookAnew();
    }
  }

  private now(): number {
    return this.context.clock.now().getTime();
  }

  private async failed(error: unknown): Promise<number> {
    this.context.onError?.(error);
    await this.context.states.set(this.name, "error", told(error));
    // Whatever it was, it is looked at anew.
    this.keeper.lookAnew();
    return Math.min(MOST_RETRY_MS, RETRY_MS * 2 ** this.failures++);
  }

  /** Says how the source stands. */
  private async tell(): Promise<void> {
    const { states } = this.context;
    if (this.checkProblem !== undefined) {
      await states.set(this.name, "error", this.checkProblem);
      return;
    }
    const { dirty } = this.context.log.of(this.name);
    const before = states.sourceState(this.name)?.state;
    if (dirty !== undefined) {
      // A run that failed said so; one that is due comes with the next step.
      if (before !== "gap" || !this.healer.isPutOff) await states.set(this.name, "catching-up", dirty.reason);
      return;
    }
    const { reason } = this.silence;
    if (reason !== undefined) await states.set(this.name, "gap", reason);
    else await tellLive(this.context, this.name);
  }
}

function told(error: unknown): string {
  return isLakeError(error) ? error.message : "The source's server could not be asked.";
}
