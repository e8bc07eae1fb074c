import { setTimeout as sleep } from "node:timers/promises";
import { isLakeError, LakeError } from "#kernel";
import { versionConflict } from "./errors.js";
import type { AppendResult } from "./event.js";
import type { AppendOutcome, EventLog, PreparedRequest } from "./event-log.js";

/** A group is closed at this many payload and data characters, so that no commit grows without bound. */
const GROUP_CHARACTERS = 8 * 2 ** 20;
const GROUP_REQUESTS = 2000;
const ATTEMPTS = 3;
const RETRY_MS = 50;
/** A journal that let its callers wait for so long is not asked again: they are told, and know how to repeat. */
const RETRY_WITHIN_MS = 3000;

interface Waiting {
  readonly request: PreparedRequest;
  readonly size: number;
  resolve(result: AppendResult): void;
  reject(error: unknown): void;
}

function sizeOf(request: PreparedRequest): number {
  return request.events.reduce((sum, event) => sum + event.data.length + (event.payload?.length ?? 0), 0);
}

/**
 * Appends from many callers in few durable transactions: while one is under way, what arrives waits and goes together in the next.
 * A group whose outcome is unknown is tried again with the same event ids, which appends nothing twice.
 */
export class GroupCommit {
  private readonly log: EventLog;
  private readonly queue: Waiting[] = [];
  private running: Promise<void> | undefined;

  constructor(log: EventLog) {
    this.log = log;
  }

  append(request: PreparedRequest): Promise<AppendResult> {
    return new Promise((resolve, reject) => {
      this.queue.push({ request, size: sizeOf(request), resolve, reject });
      this.running ??= this.run();
    });
  }

  /** Resolves when nothing is waiting. */
  async settled(): Promise<void> {
    while (this.running !== undefined) await this.running;
  }

  private async run(): Promise<void> {
    // One turn of the event loop lets callers of the same moment join the first group.
    await Promise.resolve();
    while (this.queue.length > 0) await this.commit(this.take());
    this.running = undefined;
  }

  private take(): Waiting[] {
    let count = 0;
    let size = 0;
    while (count < this.queue.length && count < GROUP_REQUESTS && (count === 0 || size < GROUP_CHARACTERS)) {
      size += this.queue[count++]!.size;
    }
    return this.queue.splice(0, count);
  }

  private async commit(group: readonly Waiting[]): Promise<void> {
    let outcomes: AppendOutcome[];
    try {
      outcomes = await this.attempt(group.map((waiting) => waiting.request));
    } catch (error) {
      if (group.length > 1 && !(isLakeError(error) && error.retryable)) {
        // Something in the group cannot be appended at all; alone, the others can.
        for (const waiting of group) await this.commit([waiting]);
        return;
      }
      for (const waiting of group) waiting.reject(error);
      return;
    }
    for (const [index, waiting] of group.entries()) {
      const outcome = outcomes[index]!;
      if (outcome.ok) waiting.resolve(outcome.result);
      else waiting.reject(versionConflict(waiting.request.stream, outcome.expected, outcome.actual));
    }
  }

  private async attempt(requests: readonly PreparedRequest[]): Promise<AppendOutcome[]> {
    const started = performance.now();
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.log.appendGroup(requests);
      } catch (error) {
        if (!(error instanceof LakeError) || !error.retryable || attempt === ATTEMPTS) throw error;
        if (performance.now() - started > RETRY_WITHIN_MS) throw error;
        await sleep(RETRY_MS * attempt);
      }
    }
  }
}
