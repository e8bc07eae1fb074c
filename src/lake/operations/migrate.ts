import { commit } from "../commit.js";
import type { Lake } from "../lake.js";
import { MIGRATIONS } from "../migrate.js";
import { FORMAT_VERSION, type Snapshot } from "../snapshot.js";

/** Formats of a lake's snapshots. */
export interface FormatReport {
  /** What this program writes. */
  readonly current: number;
  /** Number of kept snapshots by the format they are stored in. */
  readonly stored: Readonly<Record<string, number>>;
  /** Of the newest snapshot. */
  readonly head: number;
  /** What lies between the head's format and the current one. */
  readonly changes: readonly string[];
}

/** Which formats a lake holds. Errors: `lake/empty`, `lake/newer-format`. */
export async function formatReport(lake: Lake): Promise<FormatReport> {
  const stored: Record<string, number> = {};
  for (const id of await lake.history.ids()) {
    const { formatVersion } = await lake.history.at(id);
    stored[formatVersion] = (stored[formatVersion] ?? 0) + 1;
  }
  const head = (await lake.head()).formatVersion;
  const changes = MIGRATIONS.filter((step) => step.from >= head).map((step) => step.change);
  return { current: FORMAT_VERSION, stored, head, changes };
}

/**
 * Commits the newest state in the current format; undefined when it is in that format already. Older snapshots stay as they are and
 * readable: formats are brought up to date whenever a manifest is read. From then on older releases refuse the lake.
 */
export async function migrate(lake: Lake): Promise<Snapshot | undefined> {
  return commit(lake, async (head) =>
    head === undefined || head.formatVersion >= FORMAT_VERSION
      ? undefined
      : { operation: { kind: "migrate", from: head.formatVersion } },
  );
}
