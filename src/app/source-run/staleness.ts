import { durationMs } from "#config";
import { isLakeError } from "#kernel";
import type { RunContext } from "./context.js";
import type { SourceDefinition } from "./source.js";
import { tellWebhooks } from "./webhook.js";

/** How far a source is behind. */
export interface Staleness {
  /** The server's time up to which every type is in the lake; null while a type never was. */
  readonly upTo: string | null;
  /** Undefined without a target. */
  readonly isStale: boolean | undefined;
}

/** Where the source stands in the newest snapshot, against its target. */
export async function staleness(
  context: Pick<RunContext, "lake" | "clock">,
  source: SourceDefinition,
): Promise<Staleness> {
  const state = (await context.lake.history.latest())?.sources[source.name];
  const marks = Object.values(state?.watermarks ?? {});
  const oldest = marks.sort((a, b) => Date.parse(a) - Date.parse(b))[0] ?? null;
  const target = source.config.stalenessTarget;
  if (target === undefined) return { upTo: oldest, isStale: undefined };
  const limit = context.clock.now().getTime() - durationMs(target);
  return { upTo: oldest, isStale: oldest === null || Date.parse(oldest) < limit };
}

/** There while the source is stale and webhooks were told: every process that looks at the lake sees it. */
function markOf(source: SourceDefinition): string {
  return `alerts/staleness-${source.name}.json`;
}

/** What this process found at its last look, by source: saves asking the lake for the mark. */
type LastLook = Map<string, "stale" | "fresh">;

/**
 * Tells webhooks when the source is behind its target, once each time it falls behind, whichever process notices: a run that ends, a
 * scheduler, a server.
 */
export async function tellStaleness(
  context: RunContext,
  source: SourceDefinition,
  last: LastLook = new Map(),
): Promise<void> {
  const { isStale, upTo } = await staleness(context, source);
  if (isStale === undefined) return;
  const { store } = context.lake;
  const mark = markOf(source);
  const found = isStale ? "stale" : "fresh";
  if (last.get(source.name) === found) return;
  if (!isStale) {
    await store.delete(mark);
    last.set(source.name, found);
    return;
  }
  const at = context.clock.now().toISOString();
  const isNews = (await store.putIfAbsent(mark, Buffer.from(JSON.stringify({ at, upTo })))) === "created";
  last.set(source.name, found);
  if (!isNews) return;
  const targetMs = durationMs(source.config.stalenessTarget!);
  await tellWebhooks(context, source, { event: "staleness", source: source.name, at, upTo, targetMs });
}

/** Sources to be watched. */
export interface StalenessWatch {
  readonly context: RunContext;
  readonly sources: readonly SourceDefinition[];
  readonly signal: AbortSignal;
  /** How often they are looked at. */
  readonly tickMs: number;
}

/** Of these sources, those with a target. */
export function watched(sources: readonly SourceDefinition[]): SourceDefinition[] {
  return sources.filter((source) => source.config.stalenessTarget !== undefined);
}

/** Looks at the sources with a target until the signal: nothing happens to a source that nobody runs, and just that must be told. */
export async function watchStaleness({ context, sources, signal, tickMs }: StalenessWatch): Promise<void> {
  const targets = watched(sources);
  if (targets.length === 0) return;
  const last: LastLook = new Map();
  while (!signal.aborted) {
    for (const source of targets) {
      try {
        await tellStaleness(context, source, last);
      } catch (error) {
        const code = isLakeError(error) ? error.code : "internal";
        context.log?.(`${source.name}: staleness is not known (${code})`);
      }
    }
    await context.clock.sleep(tickMs, signal).catch(() => undefined);
  }
}
