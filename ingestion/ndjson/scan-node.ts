import { type Definitions, type JsonExpectation, type PathNode, rootNode } from "#fhir";

/** The kind of one JSON value. */
export type ValueKind = "object" | "string" | "number" | "boolean";

const KINDS: Readonly<Record<JsonExpectation, ValueKind>> = {
  object: "object",
  "array-of-objects": "object",
  string: "string",
  "array-of-strings": "string",
  number: "number",
  "array-of-numbers": "number",
  boolean: "boolean",
  "array-of-booleans": "boolean",
};

/** Which elements the scanner reads out; everything else it only checks. */
export type Role = "none" | "resourceType" | "id" | "versionId" | "lastUpdated" | "type";

const ROLES: Readonly<Record<string, Role>> = {
  resourceType: "resourceType",
  id: "id",
  type: "type",
  "meta.versionId": "versionId",
  "meta.lastUpdated": "lastUpdated",
};

/** Range of the integers a column can hold: FHIR integer, positiveInt and unsignedInt are signed 32 bit. */
const INTEGER_TYPES = new Set(["integer", "positiveInt", "unsignedInt"]);

function keyHash(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0;
  for (let i = start; i < end; i++) hash = (Math.imul(hash, 31) + bytes[i]!) | 0;
  return hash;
}

/**
 * A path of the definitions with what the scanner needs in its inner loop: the bytes of its JSON key, the values it
 * may have, and a guess of the property that follows (resources of one producer have one order of keys, so that one
 * comparison of bytes usually replaces a look-up). Nodes live as long as the scanner.
 */
export class ScanNode {
  readonly path: string;
  /** The key as it stands in the text, quotes included. */
  readonly key: Uint8Array;
  readonly kind: ValueKind;
  readonly list: boolean;
  /** The value is checked as JSON only; the definition is not followed further. */
  readonly json: boolean;
  readonly integer: boolean;
  readonly role: Role;
  /** The property that came first in the last object here, and that came after this one in its last object. */
  first: ScanNode | undefined = undefined;
  next: ScanNode | undefined = undefined;
  /** Number of the last object this property was seen in: a second time in the same object is a duplicate. */
  stamp = 0;
  /** A value stood here in an accepted resource (or stands in the one being scanned). */
  observed = false;
  private readonly definition: PathNode;
  private readonly slots = new Map<number, ScanNode[]>();

  constructor(definition: PathNode) {
    this.definition = definition;
    this.path = definition.path;
    this.key = Buffer.from(`"${definition.name}"`);
    this.kind = KINDS[definition.expects];
    this.list = definition.list;
    this.json = definition.json;
    this.integer = INTEGER_TYPES.has(definition.type);
    this.role = ROLES[definition.path] ?? "none";
  }

  /** The property whose name is `bytes[start, end)` (no quotes, no escapes); undefined when the type has none such. */
  child(bytes: Buffer, start: number, end: number): ScanNode | undefined {
    const slot = this.slots.get(keyHash(bytes, start, end));
    if (slot !== undefined) {
      for (const node of slot) if (node.isNamed(bytes, start, end)) return node;
    }
    return this.childNamed(bytes.toString("utf8", start, end));
  }

  /** The property of that name, or undefined. */
  childNamed(name: string): ScanNode | undefined {
    const definition = this.definition.child(name);
    if (definition === undefined) return undefined;
    const key = Buffer.from(name);
    const hash = keyHash(key, 0, key.length);
    const slot = this.slots.get(hash) ?? [];
    const known = slot.find((node) => node.isNamed(key, 0, key.length));
    if (known !== undefined) return known;
    const node = new ScanNode(definition);
    this.slots.set(hash, [...slot, node]);
    return node;
  }

  /** This node and every node below it that was ever met. */
  *walk(): Generator<ScanNode> {
    yield this;
    for (const slot of this.slots.values()) for (const node of slot) yield* node.walk();
  }

  private isNamed(bytes: Uint8Array, start: number, end: number): boolean {
    const key = this.key;
    if (key.length - 2 !== end - start) return false;
    for (let i = 1; i < key.length - 1; i++) if (key[i] !== bytes[start + i - 1]) return false;
    return true;
  }
}

/** The root node of one resource type, with its name ready for comparison. */
export class ResourceRoot {
  readonly type: string;
  readonly node: ScanNode;
  /** The name as it stands in the text, between the quotes. */
  readonly typeBytes: Uint8Array;
  /** Elements outside the definition, by path, with the number of resources' objects that had them. */
  readonly unknown = new Map<string, number>();

  constructor(definitions: Definitions, type: string) {
    this.type = type;
    this.node = new ScanNode(rootNode(definitions, type));
    this.typeBytes = Buffer.from(type);
  }

  /** The dotted paths at which accepted resources have values, sorted; `resourceType` is left out. */
  observedPaths(): string[] {
    const paths: string[] = [];
    for (const node of this.node.walk())
      if (node.observed && node.role !== "resourceType") paths.push(node.path);
    return paths.sort();
  }
}
