import type { Readable } from "node:stream";
import { setImmediate } from "node:timers/promises";
import type { Definitions } from "#fhir";
import { aborted } from "../errors.js";
import { openUnit } from "./open-source.js";
import type { IngestUnit, ScanSummary, UnitSettings } from "./settings.js";
import type { Tally } from "./tally.js";
import { UnitScanner } from "./unit-scanner.js";

/** What running units needs from the run, wherever they run. */
export interface ScanContext {
  readonly definitions: Definitions;
  readonly settings: UnitSettings;
  readonly tally: Tally;
  readonly signal: AbortSignal | undefined;
}

/** Scans the units one after the other on this thread, with a turn for everybody else after each buffer. */
export async function scanInProcess(
  units: readonly IngestUnit[],
  context: ScanContext,
  stdin: () => Readable,
): Promise<ScanSummary[]> {
  const scanner = new UnitScanner(context.definitions, context.settings, { index: 0, count: 1 });
  try {
    for (const unit of units) {
      const opened = await openUnit(unit, stdin);
      const result = await scanner.scan(opened, async (bytes, counts) => {
        context.tally.update(unit.ordinal, bytes, counts);
        await setImmediate();
        if (context.signal?.aborted === true) throw aborted();
      });
      context.tally.finish(result, opened.source.consumedBytes);
    }
    return [scanner.finish()];
  } catch (error) {
    scanner.abandon();
    throw error;
  }
}
