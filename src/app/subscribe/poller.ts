import type { EventStore } from "#events";
import {
  ChangeReader,
  type FhirHttp,
  type PolledChange,
  pollType,
  readCapabilities,
  type TypeCapabilities,
} from "#ingestion";
import { isLakeError, LakeError, mapConcurrently } from "#kernel";
import type { Lake } from "#lake";
import { instantOfMs, type NewChange, parseInstant } from "#landing";
import { journalPorts } from "../receive.js";
import type { FollowContext } from "./context.js";
import { Loop, unlessAborted } from "./loop.js";
import type { FollowSettings, PollSettings } from "./settings.js";

/** What polling needs beside what all followers do. */
export interface PollContext extends FollowContext {
  readonly lake: Lake;
  readonly journal: EventStore;
}

const AT_ONCE = 4;
const RETRY_MS = 2000;
const MOST_RETRY_MS = 60_000;

/** One version, whatever else is said about it. */
function tagOf({ type, id, versionId, lastUpdated, body }: PolledChange): string {
  return `${type}/${id} ${versionId ?? ""} ${lastUpdated ?? ""}${body === undefined ? " deleted" : ""}`;
}

/** Asks a source again and again what changed, for servers that notify nobody. */
export class Poller {
  private readonly context: PollContext;
  private readonly settings: FollowSettings;
  private readonly poll: PollSettings;
  private readonly name: string;
  private readonly reader: ChangeReader;
  private readonly loop: Loop;
  private types: readonly TypeCapabilities[] | undefined;
  /** Versions of the last looks and when they were seen, so that the overlap brings none twice. */
  private readonly seen = new Map<string, number>();
  private failures = 0;

  constructor(context: PollContext, settings: FollowSettings, poll: PollSettings) {
    this.context = context;
    this.settings = settings;
    this.poll = poll;
    this.name = settings.source.name;
    this.reader = new ChangeReader(context.lake.definitions, { maxDepth: 64 });
    this.loop = new Loop({
      step: () => this.step(),
      failed: (error) => this.failed(error),
    });
  }

  wake(): void {
    // What polling finds wakes nobody.
  }

  stop(): Promise<void> {
    return this.loop.stop();
  }

  private now(): number {
    return this.context.clock.now().getTime();
  }

  private async failed(error: unknown): Promise<number> {
    this.context.onError?.(error);
    const reason = isLakeError(error) ? error.message : "The source could not be polled.";
    await this.context.states.set(this.name, "error", reason);
    return Math.min(MOST_RETRY_MS, Math.max(this.poll.everyMs, RETRY_MS * 2 ** this.failures++));
  }

  private async step(): Promise<number> {
    const started = this.now();
    const source = this.context.source(this.name);
    if (source === undefined) return MOST_RETRY_MS;
    this.types ??= await this.pollable(source.http);
    const begun = await this.begun(this.types);
    await mapConcurrently(begun, AT_ONCE, ({ capabilities, sinceMs }) =>
      this.look(source.http, capabilities, sinceMs),
    );
    this.forget();
    await this.context.states.set(this.name, "live");
    this.failures = 0;
    return this.poll.everyMs - (this.now() - started);
  }

  /** The types of the source that can be asked for what changed. */
  private async pollable(http: FhirHttp): Promise<readonly TypeCapabilities[]> {
    const { types } = await readCapabilities({
      http,
      types: this.settings.source.config.types,
      signal: this.loop.signal,
    });
    // A type without resources does not show whether it can be searched by time.
    const not = types.filter(
      ({ lastUpdated, history }) => !["honoured", "unknown"].includes(lastUpdated) && !history,
    );
    if (types.length === 0 || not.length > 0) {
      throw new LakeError(
        "invalid-input",
        "app/not-pollable",
        `The source ${this.name} cannot be asked what changed of ${not.map(({ type }) => type).join(", ") || "any type"}; leave out notifications.poll and run it by schedule.`,
      );
    }
    return types;
  }

  private mark(type: string): string {
    return `poll/${this.name}/${type}`;
  }

  /** From where each type is asked for: the last look, else what the runs have; a type that neither has is loaded by a run first. */
  private async begun(
    types: readonly TypeCapabilities[],
  ): Promise<{ capabilities: TypeCapabilities; sinceMs: number }[]> {
    for (let again = false; ; again = true) {
      const watermarks = (await this.context.lake.history.latest())?.sources[this.name]?.watermarks;
      const begun: { capabilities: TypeCapabilities; sinceMs: number }[] = [];
      for (const capabilities of types) {
        const watermark = Date.parse(watermarks?.[capabilities.type] ?? "");
        const mark = await this.context.journal.checkpoint(this.mark(capabilities.type));
        if (mark > 0) begun.push({ capabilities, sinceMs: mark });
        else if (!Number.isNaN(watermark)) begun.push({ capabilities, sinceMs: watermark });
      }
      if (begun.length === types.length) return begun;
      if (again) {
        throw new LakeError(
          "unavailable",
          "app/not-loaded",
          `The source ${this.name} is polled once a run has loaded all of its types; see fhir-lake runs --source ${this.name}.`,
        );
      }
      await this.context.states.set(
        this.name,
        "catching-up",
        "The source is being loaded for the first time.",
      );
      const outcome = await unlessAborted(this.context.catchUp.run(this.name), this.loop.signal);
      if (outcome?.error !== undefined) throw outcome.error;
      await this.context.rows.refresh();
    }
  }

  private async look(http: FhirHttp, { type, history }: TypeCapabilities, sinceMs: number): Promise<void> {
    const { overlapMs } = this.poll;
    const answer = await pollType({
      http,
      type,
      history,
      sinceMs: sinceMs - overlapMs,
      pageSize: this.settings.source.config.pageSize,
      signal: this.loop.signal,
    });
    const news = answer.changes.filter((change) => !this.seen.has(tagOf(change)));
    await this.accept(news);
    for (const change of answer.changes) this.seen.set(tagOf(change), this.now());
    // After the changes are durable; marks never go back.
    if (answer.serverMs !== undefined && answer.serverMs > sinceMs)
      await this.context.journal.saveCheckpoint(this.mark(type), answer.serverMs);
  }

  private async accept(news: readonly PolledChange[]): Promise<void> {
    if (news.length === 0) return;
    const { lake, journal } = this.context;
    const policy = this.settings.source.config.order;
    const ports = journalPorts(lake, journal);
    const context = {
      source: this.name,
      policy,
      receivedAt: instantOfMs(this.now()),
      sequence: await ports.sequence(),
    };
    const changes: NewChange[] = [];
    const unsure: { type: string; id: string }[] = [];
    for (const { type, id, versionId, lastUpdated, body } of news) {
      if (body !== undefined) {
        changes.push(this.reader.update(body, context));
        continue;
      }
      const instant = lastUpdated === undefined ? undefined : parseInstant(lastUpdated);
      const isPlaced = policy === "time" ? instant !== undefined : versionId !== undefined;
      // A delete that says too little is confirmed by reading the resource.
      if (!isPlaced) unsure.push({ type, id });
      else {
        const deleted = {
          type,
          id,
          ...(versionId === undefined ? {} : { versionId }),
          ...(instant === undefined ? {} : { lastUpdated: { text: lastUpdated!, instant } }),
        };
        changes.push(this.reader.delete(deleted, context));
      }
    }
    if (changes.length > 0) await ports.accept(changes);
    if (unsure.length > 0) await ports.fetchBack(this.name, unsure);
  }

  /** A version that is older than the overlap does not come again. */
  private forget(): void {
    const before = this.now() - 2 * this.poll.overlapMs - 10 * this.poll.everyMs;
    for (const [tag, seenMs] of this.seen) if (seenMs < before) this.seen.delete(tag);
  }
}
