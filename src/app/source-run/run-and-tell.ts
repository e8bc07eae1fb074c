import { durationMs } from "#config";
import type { RunContext } from "./context.js";
import { type RunOutcome, type RunRequest, runSource } from "./run-source.js";
import type { SourceDefinition } from "./source.js";
import { sendWebhooks, type WebhookEvent } from "./webhook.js";

async function tell(context: RunContext, source: SourceDefinition, event: WebhookEvent): Promise<void> {
  const { environment, folder } = source;
  const lost = await sendWebhooks(context.config.webhooks, event, {
    environment,
    folder,
    clock: context.clock,
  });
  if (lost > 0) context.log?.(`${lost} webhooks could not be told of a ${event.event} of ${source.name}`);
}

/** {@link runSource}; webhooks hear of a run that failed or came incomplete. */
export async function runAndTell(context: RunContext, request: RunRequest): Promise<RunOutcome> {
  const outcome = await runSource(context, request);
  const { runId, state, error } = outcome.record;
  if (state === "failed" || state === "incomplete") {
    const at = context.clock.now().toISOString();
    const { source } = request;
    const more = error === null ? {} : { error };
    await tell(context, source, { event: "failure", source: source.name, at, runId, state, ...more });
  }
  return outcome;
}

/** How far a source is behind. */
export interface Staleness {
  /** The server's time up to which every type is in the lake; null while a type never was. */
  readonly upTo: string | null;
  /** Undefined without a target. */
  readonly isStale: boolean | undefined;
}

/** Where the source stands in the newest snapshot, against its target. */
export async function staleness(context: RunContext, source: SourceDefinition): Promise<Staleness> {
  const state = (await context.lake.history.latest())?.sources[source.name];
  const marks = Object.values(state?.watermarks ?? {});
  const oldest = marks.sort((a, b) => Date.parse(a) - Date.parse(b))[0] ?? null;
  const target = source.config.stalenessTarget;
  if (target === undefined) return { upTo: oldest, isStale: undefined };
  const limit = context.clock.now().getTime() - durationMs(target);
  return { upTo: oldest, isStale: oldest === null || Date.parse(oldest) < limit };
}

/** Tells webhooks when sources fall behind their targets, once each time. */
export class StalenessWatch {
  private readonly told = new Set<string>();

  async check(context: RunContext, source: SourceDefinition): Promise<void> {
    const { upTo, isStale } = await staleness(context, source);
    if (isStale !== true) {
      this.told.delete(source.name);
      return;
    }
    if (this.told.has(source.name)) return;
    this.told.add(source.name);
    const targetMs = durationMs(source.config.stalenessTarget!);
    const at = context.clock.now().toISOString();
    await tell(context, source, { event: "staleness", source: source.name, at, upTo, targetMs });
  }
}
