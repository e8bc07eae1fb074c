import { durationMs } from "#config";
import { type Retention, vacuum } from "#lake";
import { Ledger } from "#runs";
import type { RunContext } from "./context.js";

/** Writers and readers at work need young files. */
const GRACE_MS = 86_400_000;

/** What the configuration's retention asks for after a run: old snapshots, landings and records of runs go. */
export async function keepByPolicy({ lake, clock, config }: RunContext): Promise<void> {
  const now = clock.now().getTime();
  const { landing, runs } = config.retention;
  const landingMs = durationMs(landing);
  if (landingMs > 0) {
    for await (const { key, modifiedAtMs } of lake.store.list("landing/")) {
      // The claim stays: it keeps the landing's number from being given out again.
      if (!key.endsWith("/claim.json") && modifiedAtMs < now - landingMs) await lake.store.delete(key);
    }
  }
  await new Ledger({ store: lake.store, clock }).removeBefore(now - durationMs(runs));
  const policy = snapshotPolicy(config.retention);
  if (policy !== undefined) {
    const { quarantine } = config.retention;
    await vacuum(lake, {
      ...policy,
      graceMs: GRACE_MS,
      landingMs: Math.max(GRACE_MS, landingMs),
      ...(quarantine === undefined ? {} : { quarantineMs: durationMs(quarantine) }),
    });
  }
}

/** Which snapshots stay; undefined when the configuration has no rule, so that all do. */
function snapshotPolicy(retention: RunContext["config"]["retention"]): Retention | undefined {
  const { snapshots, keepAll, daily, monthly } = retention;
  if (snapshots === undefined && keepAll === undefined && daily === undefined && monthly === undefined) {
    return undefined;
  }
  return {
    keepSnapshots: snapshots ?? 1,
    ...(keepAll === undefined ? {} : { keepAllMs: durationMs(keepAll) }),
    ...(daily === undefined ? {} : { keepDailyDays: daily }),
    ...(monthly === undefined ? {} : { keepMonthlyMonths: monthly }),
  };
}
