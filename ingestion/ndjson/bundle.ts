import { decodeLiteral, JsonGrammar } from "./json-grammar.js";

const QUOTE = 0x22;
const OPEN_OBJECT = 0x7b;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const CLOSE_OBJECT = 0x7d;

/** One entry of a Bundle, by positions in the text it was read from. */
export interface BundleEntry {
  readonly start: number;
  readonly end: number;
  readonly fullUrl: string | undefined;
  /** The resource's text; undefined when the entry has none. */
  readonly resource: { readonly start: number; readonly end: number } | undefined;
  readonly resourceType: string | undefined;
  readonly id: string | undefined;
  /** Position right after the brace of the resource, or after its `resourceType` property when that comes first. */
  readonly idPlace: number;
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly etag: string | undefined;
  readonly lastModified: string | undefined;
  readonly searchMode: string | undefined;
}

type Visit = (name: string, start: number, end: number) => void;

/** Finds the entries of a Bundle in text that a scanner has accepted; nothing is parsed into values but short strings. */
export class BundleReader extends JsonGrammar {
  /** The entries of the Bundle in `bytes[start, end)`, in order; `bytes[end]` must be the sentinel. */
  entries(bytes: Buffer, start: number, end: number): BundleEntry[] {
    this.begin(bytes, end, true);
    const entries: BundleEntry[] = [];
    this.members(this.space(start), (name, valueStart) => {
      if (name !== "entry" || bytes[valueStart] !== OPEN_ARRAY) return;
      let at = this.space(valueStart + 1);
      while (bytes[at] !== CLOSE_ARRAY) {
        const entryEnd = this.anyValue(at, 0);
        entries.push(this.entry(at, entryEnd));
        at = this.space(entryEnd);
        if (bytes[at] !== CLOSE_ARRAY) at = this.space(at + 1);
      }
    });
    return entries;
  }

  private entry(start: number, end: number): BundleEntry {
    const texts = new Map<string, string | undefined>();
    let resource: { start: number; end: number } | undefined;
    let idPlace = start;
    this.members(start, (name, valueStart, valueEnd) => {
      if (name === "fullUrl") texts.set(name, this.text(valueStart, valueEnd));
      else if (name === "resource" && this.bytes[valueStart] === OPEN_OBJECT) {
        resource = { start: valueStart, end: valueEnd };
        idPlace = this.readNames(valueStart, texts);
      } else if (name === "request" || name === "response" || name === "search") {
        this.members(valueStart, (part, a, b) => texts.set(`${name}.${part}`, this.text(a, b)));
      }
    });
    return {
      start,
      end,
      fullUrl: texts.get("fullUrl"),
      resource,
      resourceType: texts.get("resourceType"),
      id: texts.get("id"),
      idPlace,
      method: texts.get("request.method"),
      url: texts.get("request.url"),
      etag: texts.get("response.etag"),
      lastModified: texts.get("response.lastModified"),
      searchMode: texts.get("search.mode"),
    };
  }

  /** Reads type and id of a resource; answers where an id could be put in. */
  private readNames(start: number, texts: Map<string, string | undefined>): number {
    let place = start + 1;
    let first = true;
    this.members(start, (name, valueStart, valueEnd) => {
      if (name === "resourceType" || name === "id") texts.set(name, this.text(valueStart, valueEnd));
      if (first && name === "resourceType") place = valueEnd;
      first = false;
    });
    return place;
  }

  private text(start: number, end: number): string | undefined {
    return this.bytes[start] === QUOTE ? decodeLiteral(this.bytes, start, end) : undefined;
  }

  /** Visits the properties of the object at `start`; a value that is no object has none. */
  private members(start: number, visit: Visit): void {
    const b = this.bytes;
    if (b[start] !== OPEN_OBJECT) return;
    let at = this.space(start + 1);
    while (b[at] !== CLOSE_OBJECT) {
      const keyEnd = this.key(at);
      const name = decodeLiteral(b, at, keyEnd);
      const valueStart = this.colon(keyEnd);
      const valueEnd = this.anyValue(valueStart, 0);
      visit(name, valueStart, valueEnd);
      at = this.space(valueEnd);
      if (b[at] !== CLOSE_OBJECT) at = this.space(at + 1);
    }
  }
}
