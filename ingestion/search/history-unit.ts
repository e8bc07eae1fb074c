import type { OrderPolicy } from "#landing";
import type { FetchProblem } from "../source/fetched.js";
import { deleteLine, versionLine } from "./change-lines.js";
import { HistoryWalk } from "./history-walk.js";
import { type Page, type PageEntry, parsePage } from "./page.js";
import { instantText } from "./search-instant.js";
import type { SourceClient } from "./source-client.js";
import type { Unit, UnitResult } from "./unit.js";
import { UnitFile } from "./unit-file.js";
import type { WorkFolder } from "./work-folder.js";

type HistoryRequestUnit = Unit & { readonly kind: "history" };

/** A delete of which the history does not say when it was or which version it made, and what the rest of the history says about it. */
interface VagueDelete {
  readonly entry: PageEntry;
  /** Not before it. */
  readonly upperMs: number;
  /** Of the version before it, where that one is in the history. */
  olderMs: number | undefined;
  olderVersion: string | undefined;
}

/** Fetches a history into `<name>.ndjson`: versions and deletes, each a Bundle on a line of its own. */
export class HistoryUnit {
  private readonly unit: HistoryRequestUnit;
  private readonly client: SourceClient;
  private readonly folder: WorkFolder<unknown>;
  private readonly options: {
    readonly policy: OrderPolicy;
    readonly pageSize: number;
    readonly onResources: (count: number) => void;
  };
  private readonly types: ReadonlySet<string>;
  private readonly vague = new Map<string, VagueDelete>();
  private readonly met = new Set<string>();
  private readonly problems: FetchProblem[] = [];
  private seen = 0;
  private newerMs: number | undefined;

  constructor(
    unit: HistoryRequestUnit,
    client: SourceClient,
    folder: WorkFolder<unknown>,
    options: HistoryUnit["options"],
  ) {
    this.unit = unit;
    this.client = client;
    this.folder = folder;
    this.options = options;
    this.types = new Set(unit.types);
  }

  async fetch(): Promise<UnitResult> {
    // What an interrupted call had read is only the newest part, and may have gone on at the top: it is read again.
    await this.folder.removeNote(this.unit.name);
    const file = await UnitFile.open<undefined>(this.folder, this.unit.name);
    try {
      const { type, sinceMs } = this.unit;
      const { pageSize } = this.options;
      const steps = new HistoryWalk({ client: this.client, type, sinceMs, pageSize }).steps();
      for (;;) {
        const step = await steps.next();
        if (step.done === true) {
          if (!step.value) return this.result(undefined, false);
          break;
        }
        const { entries, page, again } = step.value;
        const lines = this.take(entries, page, again);
        await file.add(lines);
        this.options.onResources(lines.length);
      }
      const { lines, resolved } = await this.resolveVague();
      await file.add(lines);
      return this.result(await file.finish("changes", this.unit.type), resolved);
    } finally {
      await file.close();
    }
  }

  private result(file: UnitResult["file"], listsDeletes: boolean): UnitResult {
    const { seen, problems } = this;
    return { file, seen, newestMs: undefined, problems, complete: true, listsDeletes };
  }

  private take(entries: readonly PageEntry[], page: Page, again: boolean): string[] {
    const lines: string[] = [];
    if (again) this.newerMs = undefined;
    for (const entry of entries) {
      if (!this.types.has(entry.type) || entry.id === "") continue;
      const key = `${entry.type}/${entry.id}`;
      const vague = this.vague.get(key);
      if (vague !== undefined) this.compare(key, vague, entry, again);
      const line = this.line(entry, page, again || !this.met.has(key));
      if (line !== undefined) lines.push(line);
      this.met.add(key);
      this.newerMs = entry.timeMs ?? this.newerMs;
      this.seen++;
    }
    return lines;
  }

  private line(entry: PageEntry, page: Page, newest: boolean): string | undefined {
    if (!entry.deleted) {
      return entry.text === undefined || entry.subsetted ? undefined : versionLine(entry.text);
    }
    const { type, id, versionId } = entry;
    const lacks = this.options.policy === "time" ? entry.timeText === undefined : versionId === undefined;
    if (!lacks) return deleteLine({ type, id, lastModified: entry.timeText, versionId });
    // Where a newer entry stands for the resource, a delete whose place in time is unknown could only do harm.
    if (newest) {
      const upperMs = entry.timeMs ?? this.newerMs ?? page.serverMs ?? this.unit.sinceMs;
      this.vague.set(`${type}/${id}`, { entry, upperMs, olderMs: undefined, olderVersion: undefined });
    }
    return undefined;
  }

  private compare(key: string, vague: VagueDelete, entry: PageEntry, again: boolean): void {
    if (again) this.vague.delete(key);
    else if (vague.olderMs === undefined && vague.olderVersion === undefined) {
      vague.olderMs = entry.timeMs;
      vague.olderVersion = entry.versionId;
    }
  }

  /** Lines for deletes that needed a guess at their place; `resolved` is false when one has none that would win. */
  private async resolveVague(): Promise<{ lines: string[]; resolved: boolean }> {
    const lines: string[] = [];
    let unresolved = 0;
    for (const vague of this.vague.values()) {
      const { type, id, timeText } = vague.entry;
      const afterOlder = vague.olderMs === undefined ? vague.upperMs : vague.olderMs + 1;
      const lastModified = timeText ?? instantText(Math.max(vague.upperMs, afterOlder));
      const versionId =
        vague.entry.versionId ?? next(vague.olderVersion) ?? (await this.versionOf(vague.entry));
      if (this.options.policy === "version" && versionId === undefined) unresolved++;
      else lines.push(deleteLine({ type, id, lastModified, versionId }));
    }
    if (unresolved > 0) {
      this.problems.push({
        severity: "warning",
        ...(this.unit.type === undefined ? {} : { type: this.unit.type }),
        message: `${unresolved} deletes came without a version and could not be put in order; id reconciliation will find them.`,
      });
    }
    return { lines, resolved: unresolved === 0 };
  }

  /** The version a delete made, asked of the resource's own history. */
  private async versionOf(entry: PageEntry): Promise<string | undefined> {
    if (this.options.policy === "time") return undefined;
    const answer = await this.client.instanceHistory(entry.type, entry.id);
    if (answer.status !== 200) return undefined;
    const [newest] = parsePage(answer, `the history of one ${entry.type}`).entries;
    if (newest === undefined) return undefined;
    return newest.deleted ? newest.versionId : next(newest.versionId);
  }
}

/** The version after a numeric one. */
function next(versionId: string | undefined): string | undefined {
  return versionId !== undefined && /^\d{1,18}$/.test(versionId) ? String(BigInt(versionId) + 1n) : undefined;
}
