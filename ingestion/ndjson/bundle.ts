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

/** Takes the value of one property, from its first byte; answers the position after it. */
type TakeValue = (name: string, start: number) => number;

/** The short strings of one entry by name, `request.method` for those of its parts. */
type Texts = Map<string, string>;

/** Finds the entries of a Bundle in text that a scanner has accepted; nothing is parsed into values but short strings. */
export class BundleReader extends JsonGrammar {
  /** Visits the entries of the Bundle in `bytes[start, end)` in order; `bytes[end]` must be the sentinel. */
  each(bytes: Buffer, start: number, end: number, visit: (entry: BundleEntry) => void): void {
    this.begin(bytes, end, true);
    this.members(this.space(start), (name, value) => {
      if (name !== "entry" || bytes[value] !== OPEN_ARRAY) return this.anyValue(value, 0);
      let at = this.space(value + 1);
      while (bytes[at] !== CLOSE_ARRAY) {
        const entry = this.entry(at);
        visit(entry);
        at = this.space(entry.end);
        if (bytes[at] !== CLOSE_ARRAY) at = this.space(at + 1);
      }
      return at + 1;
    });
  }

  private entry(start: number): BundleEntry {
    const texts: Texts = new Map();
    let resource: BundleEntry["resource"];
    let idPlace = start;
    const end = this.members(start, (name, value) => {
      if (name === "resource" && this.bytes[value] === OPEN_OBJECT) {
        const names = this.names(value, texts);
        resource = { start: value, end: names.end };
        idPlace = names.idPlace;
        return names.end;
      }
      if (name !== "request" && name !== "response" && name !== "search")
        return this.text(name, value, texts);
      return this.members(value, (part, partValue) => this.text(`${name}.${part}`, partValue, texts));
    });
    return {
      start,
      end,
      fullUrl: texts.get("fullUrl"),
      resource,
      resourceType: texts.get("resource.resourceType"),
      id: texts.get("resource.id"),
      idPlace,
      method: texts.get("request.method"),
      url: texts.get("request.url"),
      etag: texts.get("response.etag"),
      lastModified: texts.get("response.lastModified"),
      searchMode: texts.get("search.mode"),
    };
  }

  /** Reads type and id of a resource; answers its end and where an id could be put in. */
  private names(start: number, texts: Texts): { end: number; idPlace: number } {
    let idPlace = start + 1;
    let first = true;
    const end = this.members(start, (name, value) => {
      const named = name === "resourceType" || name === "id";
      const valueEnd = named ? this.text(`resource.${name}`, value, texts) : this.anyValue(value, 0);
      if (first && name === "resourceType") idPlace = valueEnd;
      first = false;
      return valueEnd;
    });
    return { end, idPlace };
  }

  /** Keeps a value under `name` when it is a string. */
  private text(name: string, start: number, texts: Texts): number {
    const end = this.anyValue(start, 0);
    if (this.bytes[start] === QUOTE) texts.set(name, decodeLiteral(this.bytes, start, end));
    return end;
  }

  /** Hands out the properties of the object at `start`; a value that is no object has none. Answers its end. */
  private members(start: number, take: TakeValue): number {
    const b = this.bytes;
    if (b[start] !== OPEN_OBJECT) return this.anyValue(start, 0);
    let at = this.space(start + 1);
    while (b[at] !== CLOSE_OBJECT) {
      const keyEnd = this.key(at);
      const name = decodeLiteral(b, at, keyEnd);
      at = this.space(take(name, this.colon(keyEnd)));
      if (b[at] !== CLOSE_OBJECT) at = this.space(at + 1);
    }
    return at + 1;
  }
}
