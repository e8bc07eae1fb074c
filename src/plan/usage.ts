import { type Definitions, primitiveShape, type Shape } from "#fhir";

/**
 * What an expression reads below one value: a tree that grows while paths are lowered. It yields the smallest shape that a source must
 * provide (path pruning) and the types of what a source lacks.
 */
export interface Usage {
  /** FHIR type of the value (of an item, for lists). */
  readonly type: string;
  readonly list: boolean;
  /** Properties that are read. */
  readonly children: Map<string, Usage>;
  /** Properties that a path has named, read or not; one usage per property, so that equal paths are equal expressions. */
  readonly known: Map<string, Usage>;
  /** Usages whose needs are also needs of this one: items of a `repeat` share the needs of its nodes. */
  readonly alsoUsedAs: Usage[];
  /**
   * `value`: the property must come as one JSON text, because the type contains itself without end. `item`: each item must come as JSON,
   * because it is read as a whole.
   */
  json: "value" | "item" | undefined;
}

/** A usage without needs yet. */
export function createUsage(type: string, list: boolean): Usage {
  return { type, list, children: new Map(), known: new Map(), alsoUsedAs: [], json: undefined };
}

/** The usage of a JSON property. Naming it reads nothing yet; see {@link readUsage}. */
export function childUsage(parent: Usage, jsonName: string, type: string, list: boolean): Usage {
  let child = parent.known.get(jsonName);
  if (child === undefined) {
    child = createUsage(type, list);
    parent.known.set(jsonName, child);
  }
  return child;
}

/** Notes that a property is read, and gives its usage. */
export function readUsage(parent: Usage, jsonName: string, type: string, list: boolean): Usage {
  const child = childUsage(parent, jsonName, type, list);
  parent.children.set(jsonName, child);
  return child;
}

function collectChildren(usage: Usage, into: Map<string, Usage[]>, seen: Set<Usage>): void {
  if (seen.has(usage)) return;
  seen.add(usage);
  for (const [name, child] of usage.children) {
    const known = into.get(name);
    if (known === undefined) into.set(name, [child]);
    else known.push(child);
  }
  for (const other of usage.alsoUsedAs) collectChildren(other, into, seen);
}

/** Several usages of one property seen as one. */
function merged(usages: readonly Usage[]): Usage {
  if (usages.length === 1) return usages[0]!;
  const first = usages[0]!;
  const json = usages.some((usage) => usage.json === "value")
    ? "value"
    : usages.find((usage) => usage.json)?.json;
  return { ...first, children: new Map(), known: new Map(), alsoUsedAs: [...usages], json };
}

/**
 * Shape of one value without its list: the struct of what is read below it. A complex value that is only tested for existence keeps its
 * `id`, because a struct needs a field. A whole item is JSON.
 */
export function itemShape(definitions: Definitions, usage: Usage): Shape {
  const kind = definitions.type(usage.type)?.kind;
  if (kind === "primitive" || kind === undefined) return primitiveShape(usage.type);
  if (usage.json === "item") return { kind: "json" };
  const children = new Map<string, Usage[]>();
  collectChildren(usage, children, new Set());
  const fields = new Map<string, Shape>();
  for (const name of [...children.keys()].sort())
    fields.set(name, usageShape(definitions, merged(children.get(name)!)));
  if (fields.size === 0) fields.set("id", { kind: "scalar", type: "text" });
  return { kind: "struct", fields };
}

/** Names of the decimals read below a value; undefined when it, or something inside it, is read as a whole. */
function decimalsBelow(usage: Usage, seen = new Set<Usage>()): Set<string> | undefined {
  const names = new Set<string>();
  if (seen.has(usage)) return names;
  seen.add(usage);
  if (usage.json === "item") return undefined;
  const inside = [...usage.children, ...[...usage.known].filter(([name]) => name.startsWith("#"))];
  for (const [name, child] of [...inside, ...usage.alsoUsedAs.map((other) => ["", other] as const)]) {
    if (child.type === "decimal") names.add(name);
    const below = decimalsBelow(child, seen);
    if (below === undefined) return undefined;
    for (const found of below) names.add(found);
  }
  return names;
}

/** Shape of a property as a source should provide it: {@link itemShape}, in a list for list elements, or JSON where the usage says so. */
export function usageShape(definitions: Definitions, usage: Usage): Shape {
  if (usage.json === "value" || definitions.type(usage.type)?.kind === "resource") {
    const decimals = decimalsBelow(usage);
    return decimals === undefined ? { kind: "json" } : { kind: "json", decimals: [...decimals].sort() };
  }
  const item = itemShape(definitions, usage);
  return usage.list ? { kind: "list", item } : item;
}
