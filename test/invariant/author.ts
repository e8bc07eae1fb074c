import type { Draft } from "./commands.js";
import { instantOf, type Version } from "./model.js";

/** Turns drafts into versions: gives every version a clock that no other has, and texts that say so. */
export class Author {
  private newest = 1000;
  private readonly taken = new Set<number>();
  private readonly written: Version[] = [];

  write(drafts: readonly Draft[]): Version[] {
    return drafts.map((draft) => this.version(draft));
  }

  private version(draft: Draft): Version {
    const earlier = draft.again === 0 ? undefined : this.written.at(-draft.again);
    if (earlier !== undefined) return earlier;
    const { type, id, kind } = draft;
    const clock = this.clock(draft.late);
    const version: Version = { type, id, kind, clock, text: kind === "D" ? "" : textOf(draft, clock) };
    this.written.push(version);
    return version;
  }

  private clock(late: number): number {
    let clock = late === 0 ? ++this.newest : this.newest - late;
    // The next free tick below, so that late versions stay late.
    while (this.taken.has(clock)) clock--;
    this.taken.add(clock);
    return clock;
  }
}

function textOf({ type, id, active, parts, value }: Draft, clock: number): string {
  const head = `"resourceType":"${type}","id":"${id}","meta":{"lastUpdated":"${instantOf(clock)}"}`;
  if (type === "Patient") {
    const names = parts.map((family) => `{"family":"${family}"}`).join(",");
    return `{${head},"active":${active},"gender":"${active ? "male" : "female"}"${parts.length === 0 ? "" : `,"name":[${names}]`}}`;
  }
  const components = parts.map((part) => `{"code":{},"valueString":"${part}"}`).join(",");
  const component = parts.length === 0 ? "" : `,"component":[${components}]`;
  return `{${head},"status":"final","code":{},"valueQuantity":{"value":${value}}${component}}`;
}
