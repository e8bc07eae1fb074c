import type { Definitions } from "#fhir";
import { didYouMean } from "#kernel";
import { type Instant, parseInstant } from "#landing";
import type { Rejection } from "../quarantine/reason.js";
import { decodeLiteral, JsonGrammar } from "./json-grammar.js";
import { ResourceRoot, type ScanNode } from "./scan-node.js";

const QUOTE = 0x22;
const COLON = 0x3a;
const COMMA = 0x2c;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const LOWER_N = 0x6e;

const TYPE_KEY = Buffer.from('"resourceType"');
const ID = /^[A-Za-z0-9\-.]{1,64}$/;
/** Printable ASCII: some servers use base64 or ETag-like versions, which FHIR's id type would not allow. */
const VERSION_ID = /^[\x21-\x7e]{1,128}$/;
const TYPE_NAME = /^[A-Za-z]{1,64}$/;
const INT32_MAX = 2 ** 31 - 1;
const INT32_MIN = -(2 ** 31);
/** Distinct unknown elements that are counted per resource type, and the longest path that is kept. */
const MAX_UNKNOWN_PATHS = 200;
const MAX_UNKNOWN_PATH_LENGTH = 200;
/** Stamps stay well inside V8's small integers. */
const MAX_STAMP = 2 ** 30;

/** What the scanner read out of one accepted resource. */
export interface ScannedResource {
  readonly type: string;
  readonly id: string;
  /** meta.versionId and meta.lastUpdated as written; empty when absent. */
  readonly versionId: string;
  readonly lastUpdated: string;
  /** {@link lastUpdated} as a point in time. */
  readonly instant: Instant | undefined;
  /** Bundle.type of a Bundle; empty otherwise. */
  readonly bundleType: string;
}

/** Limits on one resource. */
export interface ScanLimits {
  /** Objects and arrays within each other, the resource itself counted. */
  readonly maxDepth: number;
}

/** How a text is to be scanned; see {@link ResourceScanner.scan}. */
export interface ScanOptions {
  /** LF counts as white space and the sentinel is a NUL. */
  readonly multiline?: boolean;
  /** A Bundle may lack an id, because the caller may take it apart; the id is then empty. */
  readonly bundleMayLackId?: boolean;
}

/**
 * Checks resources byte by byte against JSON's grammar and against the kinds of values their definition demands, reads
 * out type, id, version and lastUpdated, and remembers which paths carried values. One pass, no values are made; one
 * instance for many resources.
 */
export class ResourceScanner extends JsonGrammar {
  private readonly definitions: Definitions;
  private readonly roots = new Map<string, ResourceRoot>();
  private root: ResourceRoot | undefined = undefined;
  private stamp = 0;
  private fresh: ScanNode[] = [];
  private unknown: string[] = [];
  private id = "";
  private versionId = "";
  private lastUpdated = "";
  private bundleType = "";

  constructor(definitions: Definitions, limits: ScanLimits) {
    super(limits.maxDepth);
    this.definitions = definitions;
  }

  /**
   * Scans the resource in `bytes[start, end)`; white space around it is allowed. `bytes[end]` must be the sentinel
   * (see {@link JsonGrammar}) and the text valid UTF-8. Throws a {@link Rejection}, whose position is in `bytes`.
   * What was observed counts only when {@link keep} follows.
   */
  scan(bytes: Buffer, start: number, end: number, options: ScanOptions = {}): ScannedResource {
    this.discard();
    this.begin(bytes, end, options.multiline === true);
    this.id = this.versionId = this.lastUpdated = this.bundleType = "";
    if (this.stamp > MAX_STAMP) this.resetStamps();
    const open = this.space(start);
    const root = this.resourceRoot(open);
    this.root = root;
    const last = this.space(this.object(root.node, open + 1, 1));
    if (last !== end) this.reject("invalid-json", "There is text after the end of the resource.", last);
    return this.checked(root, open, options.bundleMayLackId === true && root.type === "Bundle");
  }

  /** Whether the text scanned last has a carriage return between its tokens, which a landing record cannot carry. */
  get hasCarriageReturn(): boolean {
    return this.carriageReturn;
  }

  /** Whether the text scanned last ended within a string, where no printer of JSON would break a line. */
  get endedInString(): boolean {
    return this.cutInString;
  }

  /** Counts what the last scan observed: the resource is going to be stored. */
  keep(): void {
    const unknown = this.root?.unknown;
    if (this.unknown.length > 0 && unknown !== undefined) {
      for (const path of this.unknown) {
        const seen = unknown.get(path);
        if (seen !== undefined || unknown.size < MAX_UNKNOWN_PATHS) unknown.set(path, (seen ?? 0) + 1);
      }
      this.unknown = [];
    }
    if (this.fresh.length > 0) this.fresh = [];
  }

  private discard(): void {
    if (this.unknown.length > 0) this.unknown = [];
    if (this.fresh.length === 0) return;
    for (const node of this.fresh) node.observed = false;
    this.fresh = [];
  }

  /** The resource types met so far with what was observed in the resources that were kept. */
  observations(): Iterable<ResourceRoot> {
    this.discard();
    return this.roots.values();
  }

  private checked(root: ResourceRoot, at: number, mayLackId: boolean): ScannedResource {
    const { id, versionId, lastUpdated, bundleType } = this;
    const { type } = root;
    if (id === "" && !mayLackId) this.reject("missing-id", `A ${type} without id cannot be stored.`, at);
    if (id !== "" && !ID.test(id)) {
      this.reject("invalid-id", `The id of a ${type} must be 1 to 64 of A-Z a-z 0-9 - and period.`, at);
    }
    if (versionId !== "" && !VERSION_ID.test(versionId)) {
      this.reject("invalid-version-id", `${type}.meta.versionId is not 1 to 128 printable characters.`, at);
    }
    const instant = lastUpdated === "" ? undefined : parseInstant(lastUpdated);
    if (lastUpdated !== "" && instant === undefined) {
      this.reject("invalid-last-updated", `${type}.meta.lastUpdated is not a FHIR instant.`, at);
    }
    return { type, id, versionId, lastUpdated, instant, bundleType: type === "Bundle" ? bundleType : "" };
  }

  private resetStamps(): void {
    for (const root of this.roots.values()) for (const node of root.node.walk()) node.stamp = 0;
    this.stamp = 0;
  }

  /** The root node of the resource whose text starts at `open`; nearly always its first property names the type. */
  private resourceRoot(open: number): ResourceRoot {
    const b = this.bytes;
    if (b[open] !== OPEN_OBJECT) this.notAnObject(open);
    const keyEnd = matchKey(b, this.space(open + 1), TYPE_KEY);
    if (keyEnd < 0) return this.searchResourceRoot(open);
    const value = this.colon(keyEnd);
    if (b[value] !== QUOTE) return this.searchResourceRoot(open);
    const at = value + 1;
    const last = this.root;
    if (last !== undefined) {
      const name = last.typeBytes;
      let i = 0;
      while (i < name.length && b[at + i] === name[i]) i++;
      if (i === name.length && b[at + i] === QUOTE) return last;
    }
    const end = this.string(at);
    return this.rootNamed(decodeLiteral(b, value, end), value);
  }

  /** JSON that is valid but no object is told from text that is no JSON. */
  private notAnObject(at: number): never {
    if (at >= this.end) this.reject("invalid-json", "", at);
    const last = this.space(this.anyValue(at, 0));
    if (last !== this.end) this.reject("invalid-json", "There is text after the end of the value.", last);
    return this.reject("not-a-resource", "The value is not a JSON object.", at);
  }

  /** Looks for the type among all properties of the resource; what comes after it is checked later. */
  private searchResourceRoot(open: number): ResourceRoot {
    const b = this.bytes;
    let at = this.space(open + 1);
    while (b[at] !== CLOSE_OBJECT) {
      const keyEnd = this.key(at);
      const isType = keyEnd - at >= TYPE_KEY.length && decodeLiteral(b, at, keyEnd) === "resourceType";
      const value = this.colon(keyEnd);
      const valueEnd = this.anyValue(value, 1);
      if (isType && b[value] === QUOTE) return this.rootNamed(decodeLiteral(b, value, valueEnd), value);
      at = this.space(valueEnd);
      if (b[at] === CLOSE_OBJECT) break;
      if (b[at] !== COMMA) this.reject("invalid-json", "A comma or the end of the object was expected.", at);
      at = this.space(at + 1);
      if (b[at] === CLOSE_OBJECT) this.reject("invalid-json", "A property name in quotes was expected.", at);
    }
    const last = this.space(at + 1);
    if (last !== this.end) this.reject("invalid-json", "There is text after the end of the object.", last);
    return this.reject("not-a-resource", "The object has no resourceType.", open);
  }

  private rootNamed(type: string, at: number): ResourceRoot {
    let root = this.roots.get(type);
    if (root !== undefined) return root;
    const { definitions } = this;
    if (!definitions.resourceTypes.has(type)) {
      const name = TYPE_NAME.test(type) ? ` '${type}'` : "";
      const hint = didYouMean(type, definitions.resourceTypes);
      const message = `The resourceType${name} is not one of FHIR ${definitions.version}.${hint}`;
      this.reject("unknown-resource-type", message, at);
    }
    root = new ResourceRoot(definitions, type);
    this.roots.set(type, root);
    return root;
  }

  /** An object of a known type, from the byte after its brace. */
  private object(node: ScanNode, p: number, depth: number): number {
    if (depth > this.maxDepth) this.checkDepth(depth, p);
    const b = this.bytes;
    const stamp = ++this.stamp;
    let unknownKeys: Set<string> | undefined;
    let previous: ScanNode | undefined;
    let at = p;
    if (b[at]! <= 0x20) at = this.space(at);
    if (b[at] === CLOSE_OBJECT) return at + 1;
    for (;;) {
      const guess = previous === undefined ? node.first : previous.next;
      let child: ScanNode | undefined;
      let end = guess === undefined ? -1 : matchKey(b, at, guess.key);
      if (end >= 0) child = guess;
      else {
        end = this.key(at);
        child = this.lookUp(node, at, end);
        if (child === undefined) {
          unknownKeys ??= new Set();
          this.unknownKey(node, unknownKeys, at, end);
        } else if (previous === undefined) node.first = child;
        else previous.next = child;
      }
      if (b[end] === COLON) end++;
      else end = this.colon(end);
      if (b[end]! <= 0x20) end = this.space(end);
      if (child === undefined) at = this.anyValue(end, depth);
      else {
        if (child.stamp === stamp) this.duplicate(at);
        child.stamp = stamp;
        previous = child;
        at = this.value(child, end, depth);
      }
      let c = b[at]!;
      if (c <= 0x20) {
        at = this.space(at);
        c = b[at]!;
      }
      if (c === CLOSE_OBJECT) return at + 1;
      if (c !== COMMA) this.reject("invalid-json", "A comma or the end of the object was expected.", at);
      at++;
      if (b[at]! <= 0x20) at = this.space(at);
    }
  }

  private lookUp(node: ScanNode, start: number, end: number): ScanNode | undefined {
    if (this.escaped) return node.childNamed(decodeLiteral(this.bytes, start, end));
    return node.child(this.bytes, start + 1, end - 1);
  }

  private unknownKey(node: ScanNode, keys: Set<string>, start: number, end: number): void {
    const name = decodeLiteral(this.bytes, start, end);
    if (keys.has(name)) this.duplicate(start);
    keys.add(name);
    if (this.unknown.length >= MAX_UNKNOWN_PATHS) return;
    this.unknown.push((node.path === "" ? name : `${node.path}.${name}`).slice(0, MAX_UNKNOWN_PATH_LENGTH));
  }

  /** The value of a known property, from its first byte. */
  private value(node: ScanNode, p: number, depth: number): number {
    const b = this.bytes;
    if (!node.list) {
      if (b[p] === OPEN_ARRAY) this.wrongKind(node, p);
      return this.single(node, p, depth);
    }
    if (b[p] !== OPEN_ARRAY) return b[p] === LOWER_N ? this.literal(p) : this.wrongKind(node, p);
    if (depth >= this.maxDepth) this.checkDepth(depth + 1, p);
    let at = this.space(p + 1);
    if (b[at] === CLOSE_ARRAY) return at + 1;
    for (;;) {
      at = this.single(node, at, depth + 1);
      let c = b[at]!;
      if (c <= 0x20) {
        at = this.space(at);
        c = b[at]!;
      }
      if (c === CLOSE_ARRAY) return at + 1;
      if (c !== COMMA) this.reject("invalid-json", "A comma or the end of the array was expected.", at);
      at = this.space(at + 1);
    }
  }

  /** One value of a known property: not a list, but perhaps an item of one. */
  private single(node: ScanNode, p: number, depth: number): number {
    const c = this.bytes[p]!;
    let end: number;
    if (c === QUOTE) {
      end = this.string(p + 1);
      if (node.kind !== "string") this.wrongKind(node, p);
      if (node.role !== "none") this.readOut(node, p, end);
    } else if (c === OPEN_OBJECT) {
      if (node.kind !== "object") this.wrongKind(node, p);
      if (!node.json) return this.object(node, p + 1, depth + 1);
      end = this.anyObject(p + 1, depth + 1);
    } else if (c === LOWER_N) {
      // Legal only in lists of primitives, but met elsewhere; it means the same as leaving the property out.
      return this.literal(p);
    } else if (c === OPEN_ARRAY) {
      return this.wrongKind(node, p);
    } else {
      end = this.numberOrBoolean(node, p, c);
    }
    if (!node.observed) {
      node.observed = true;
      this.fresh.push(node);
    }
    return end;
  }

  private numberOrBoolean(node: ScanNode, p: number, c: number): number {
    if (c !== 0x2d && (c < 0x30 || c > 0x39)) {
      const end = this.literal(p);
      if (node.kind !== "boolean") this.wrongKind(node, p);
      return end;
    }
    const end = this.number(p);
    if (node.kind !== "number") this.wrongKind(node, p);
    if (node.integer && !(this.integral && end - p < 10)) this.checkInteger(node, p, end);
    return end;
  }

  /** `1.0` and `1e2` pass for an integer, `1.5` and anything beyond 32 bits would change its value in a column. */
  private checkInteger(node: ScanNode, p: number, end: number): void {
    const value = Number(this.bytes.toString("latin1", p, end));
    if (Number.isInteger(value) && value <= INT32_MAX && value >= INT32_MIN) return;
    this.reject("number-out-of-range", `${this.pathOf(node)} must be a whole number of 32 bits.`, p);
  }

  private readOut(node: ScanNode, start: number, end: number): void {
    if (node.role === "resourceType") return;
    const text = this.escaped
      ? decodeLiteral(this.bytes, start, end)
      : this.bytes.toString("latin1", start + 1, end - 1);
    if (node.role === "id") this.id = text;
    else if (node.role === "versionId") this.versionId = text;
    else if (node.role === "type") this.bundleType = text;
    else this.lastUpdated = text;
  }

  private pathOf(node: ScanNode): string {
    return `${this.root?.type ?? ""}.${node.path}`;
  }

  /** Text that is not JSON at all is told first: a wrong kind is only said of a value that can be read. */
  private wrongKind(node: ScanNode, p: number): never {
    this.anyValue(p, 0);
    const wanted = node.list ? `an array of ${node.kind}s` : `a JSON ${node.kind}`;
    return this.reject("wrong-kind", `${this.pathOf(node)} must be ${wanted}.`, p);
  }
}

/** The position after `key` when the text at `p` starts with it, else -1. */
function matchKey(bytes: Buffer, p: number, key: Uint8Array): number {
  const length = key.length;
  for (let i = 0; i < length; i++) if (bytes[p + i] !== key[i]) return -1;
  return p + length;
}
