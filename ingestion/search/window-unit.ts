import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import type { FetchProblem } from "../source/fetched.js";
import type { Page, PageEntry } from "./page.js";
import { instantMs, instantText } from "./search-instant.js";
import type { Unit, UnitResult } from "./unit.js";
import { UnitFile } from "./unit-file.js";
import type { TypeSearch, Window } from "./window.js";
import { type Paging, type WalkPosition, WindowWalk } from "./window-walk.js";
import type { WorkFolder } from "./work-folder.js";

const OPEN: Window = { from: undefined, to: undefined };
/** Passes over a window that does not come out at its count. */
const MAX_PASSES = 4;
/** Servers that store seconds or round answer this far beyond the ends of a window. */
const ROUNDING_MS = 1000;

interface WindowNote {
  /** Where the first pass goes on; undefined when it is through. */
  readonly walk: WalkPosition | undefined;
  readonly newestMs: number | undefined;
  readonly problems: readonly FetchProblem[];
}

/** 53 bits of a hash: ids are only counted by it. */
function idNumber(id: string): number {
  return Number.parseInt(createHash("sha1").update(id).digest("hex").slice(0, 13), 16);
}

/** Fetches the resources of one window into `<name>.ndjson`, one per line. */
export class WindowUnit {
  private readonly unit: Unit & { readonly kind: "search" };
  private readonly search: TypeSearch;
  private readonly folder: WorkFolder<unknown>;
  private readonly onResources: (count: number) => void;
  private readonly window: Window;
  private readonly ids = new Set<number>();
  /** Resources whose times lie just outside the window: a server that rounds times may count them in it. */
  private readonly beside = new Set<number>();
  private newestMs: number | undefined;
  private readonly problems = new Map<string, FetchProblem>();
  private complete = true;
  private subsetted = 0;
  private outside = 0;

  constructor(
    unit: Unit & { readonly kind: "search" },
    search: TypeSearch,
    folder: WorkFolder<unknown>,
    onResources: (count: number) => void,
  ) {
    this.unit = unit;
    this.search = search;
    this.folder = folder;
    this.onResources = onResources;
    this.window = unit.window ?? OPEN;
  }

  async fetch(): Promise<UnitResult> {
    const file = await UnitFile.open<WindowNote>(this.folder, this.unit.name);
    try {
      const earlier = file.position;
      if (earlier !== undefined) await this.recall(file, earlier);
      const paging: Paging = this.unit.window === undefined ? "links" : "keyset";
      const ended =
        earlier !== undefined && earlier.walk === undefined
          ? "keyset"
          : await this.pass(file, earlier?.walk, paging);
      await this.verify(file, ended);
      this.describe();
      const done = await file.finish("resources", this.unit.type);
      return {
        file: done,
        seen: this.ids.size,
        newestMs: this.newestMs,
        problems: [...this.problems.values()],
        complete: this.complete,
        listsDeletes: false,
      };
    } finally {
      await file.close();
    }
  }

  /** Takes up what an interrupted call had kept. */
  private async recall(file: UnitFile<WindowNote>, note: WindowNote): Promise<void> {
    this.newestMs = note.newestMs;
    for (const problem of note.problems) this.report(problem.severity, problem.message);
    for await (const line of createInterface({ input: createReadStream(file.partPath) })) {
      const { id = "", meta } = JSON.parse(line) as { id?: string; meta?: { lastUpdated?: string } };
      this.count(id, instantMs(meta?.lastUpdated));
    }
  }

  /** One walk over the window; answers how it got from page to page in the end. */
  private async pass(
    file: UnitFile<WindowNote>,
    from: WalkPosition | undefined,
    paging: Paging,
  ): Promise<Paging> {
    const walk = new WindowWalk(this.search, this.window, from, paging);
    let ended = from?.paging ?? paging;
    for await (const { entries, page, after } of walk.steps()) {
      const lines = this.take(entries, page);
      ended = after.paging;
      await file.append(lines, this.note(page.next === undefined ? undefined : after));
      this.onResources(lines.length);
    }
    return ended;
  }

  private note(walk: WalkPosition | undefined): WindowNote {
    return { walk, newestMs: this.newestMs, problems: [...this.problems.values()] };
  }

  private take(entries: readonly PageEntry[], page: Page): string[] {
    for (const { severity, code } of page.issues) {
      if (severity === "information" || severity === "warning")
        this.report(severity, `The server says: ${code}.`);
      else this.fail(`The server says of its own search result: ${severity} ${code}.`);
    }
    const lines: string[] = [];
    for (const entry of entries) {
      if (entry.text === undefined) continue;
      this.count(entry.id, entry.timeMs);
      if (entry.subsetted) {
        this.subsetted++;
        continue;
      }
      lines.push(entry.text);
      this.notice(entry.timeMs);
    }
    return lines;
  }

  /** Counts a resource for the window; one of another time must not make up for one that is missing. */
  private count(id: string, timeMs: number | undefined): void {
    if (id === "") return;
    const { from = Number.NEGATIVE_INFINITY, to = Number.POSITIVE_INFINITY } = this.window;
    const inside = timeMs === undefined || (timeMs >= from && timeMs < to);
    if (inside) this.ids.add(idNumber(id));
    else if (timeMs >= from - ROUNDING_MS && timeMs < to + ROUNDING_MS) this.beside.add(idNumber(id));
  }

  private notice(timeMs: number | undefined): void {
    if (timeMs === undefined) return;
    if (this.newestMs === undefined || timeMs > this.newestMs) this.newestMs = timeMs;
    const { from, to } = this.window;
    if (from !== undefined && timeMs < from - ROUNDING_MS) this.outside++;
    if (to !== undefined && timeMs >= to + ROUNDING_MS) this.outside++;
  }

  /**
   * Compares with the server's count and walks again where resources are missing. Walks over a closed window can only find fewer
   * resources as time goes by, so one that finds nothing new has found what the server is willing to show.
   */
  private async verify(file: UnitFile<WindowNote>, ended: Paging): Promise<void> {
    let paging: Paging = ended;
    for (let passes = 1; ; passes++) {
      const { total } = await this.search.count(this.window);
      if (total === undefined) return;
      // Keyset walks lose nothing to moving pages; with links only the count at the start proves that nothing was skipped.
      const wanted = paging === "keyset" ? total : Math.max(total, this.unit.expected ?? 0);
      if (this.ids.size >= wanted) return;
      const before = this.ids.size;
      const missing = total - before - this.beside.size;
      if (passes === MAX_PASSES) {
        if (missing > 0)
          this.fail(`${missing} resources that the server counts were not found in ${passes} passes.`);
        return;
      }
      paging = paging === "keyset" || this.unit.window === undefined ? "links" : "keyset";
      await this.pass(file, undefined, paging);
      if (this.ids.size > before) continue;
      if (missing > 0) {
        this.report("warning", `The server counts ${missing} more resources than it shows to this client.`);
      }
      return;
    }
  }

  private describe(): void {
    if (this.subsetted > 0) {
      this.fail(`${this.subsetted} resources came incomplete (SUBSETTED) and were left out.`);
    }
    if (this.outside > 0) {
      const { from, to } = this.window;
      const span = [from, to].map((ms) => (ms === undefined ? "…" : instantText(ms))).join(" to ");
      this.report(
        "warning",
        `${this.outside} resources of other times came for ${span}; the server may not honour _lastUpdated.`,
      );
    }
  }

  private report(severity: FetchProblem["severity"], message: string): void {
    this.problems.set(message, { severity, type: this.unit.type, message });
  }

  private fail(message: string): void {
    this.complete = false;
    this.report("error", message);
  }
}
