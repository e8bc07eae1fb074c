import { durationMs } from "#config";
import { Ledger } from "#runs";
import type { RunContext } from "./context.js";

/** What the configuration's retention asks for after a run: old landings and records of runs go. */
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
}
