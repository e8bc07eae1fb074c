import { type Definitions, type ElementDefinition, jsonName } from "./definitions.js";

/**
 * How JSON data stands in columns, independent of the SQL dialect. Fields of a struct are JSON property names (`valueQuantity`,
 * `_birthDate`). Decimals, dates and instants are text as written; json is JSON text whose decimal literals are quoted strings.
 */
export type Shape =
  | { readonly kind: "scalar"; readonly type: "text" | "boolean" | "integer" | "bigint" }
  | {
      readonly kind: "json";
      /** Names of the decimals that will be read inside; absent when any may be. Only for shapes that say what is needed. */
      readonly decimals?: readonly string[];
    }
  | { readonly kind: "list"; readonly item: Shape }
  | { readonly kind: "struct"; readonly fields: ReadonlyMap<string, Shape> };

/** What JSON the definition demands at a path. A list of primitives may hold nulls where `_name` has the extension. */
export type JsonExpectation =
  | "object"
  | "array-of-objects"
  | "string"
  | "array-of-strings"
  | "number"
  | "array-of-numbers"
  | "boolean"
  | "array-of-booleans";

/** One JSON property path of a type. Nodes are made when asked for and kept, so a walker costs one map look-up per property. */
export interface PathNode {
  /** JSON property name; empty at the root. */
  readonly name: string;
  /** Dotted JSON property names from the root; empty at the root. */
  readonly path: string;
  /** FHIR type at this path: `HumanName`, `Patient.contact`, `code`; for `_birthDate` it is `Element`. */
  readonly type: string;
  readonly list: boolean;
  readonly expects: JsonExpectation;
  /** True where the tree stops: the value is stored as JSON text and `child` answers nothing. */
  readonly json: boolean;
  /** True when a decimal stands here: a JSON number that is kept as text. */
  readonly decimal: boolean;
  /** The node of a JSON property, or undefined when the type has no such element. */
  child(jsonName: string): PathNode | undefined;
}

/**
 * How often a data type may occur on its own path before the rest is JSON: `extension.extension` is typed, a third level is not.
 * Changing it changes the physical layout of stored data.
 */
export const RECURSION_DEPTH = 2;

/** The same for backbones that contain themselves (`Questionnaire.item`): the first level is typed, `item.item` is JSON. */
export const BACKBONE_RECURSION_DEPTH = 1;

/** The one rule that decides STRUCT or JSON: by definition and depth, never by what data was seen. */
function storedAsJson(definitions: Definitions, type: string, ancestors: readonly string[]): boolean {
  const definition = definitions.type(type);
  if (definition === undefined || definition.kind === "resource") return true;
  if (definition.kind === "primitive") return false;
  const limit = definition.kind === "backbone" ? BACKBONE_RECURSION_DEPTH : RECURSION_DEPTH;
  let occurrences = 0;
  for (const ancestor of ancestors) if (ancestor === type) occurrences++;
  return occurrences >= limit;
}

/** The scalar that holds values of a primitive FHIR type. Everything but numbers of fixed size and booleans is text. */
export function primitiveShape(type: string): Shape & { readonly kind: "scalar" } {
  switch (type) {
    case "boolean":
      return { kind: "scalar", type: "boolean" };
    case "integer":
    case "positiveInt":
    case "unsignedInt":
      return { kind: "scalar", type: "integer" };
    case "integer64":
      return { kind: "scalar", type: "bigint" };
    default:
      return { kind: "scalar", type: "text" };
  }
}

function expectation(definitions: Definitions, type: string, list: boolean): JsonExpectation {
  if (definitions.type(type)?.kind !== "primitive") return list ? "array-of-objects" : "object";
  switch (type) {
    case "boolean":
      return list ? "array-of-booleans" : "boolean";
    case "integer":
    case "positiveInt":
    case "unsignedInt":
    case "decimal":
      return list ? "array-of-numbers" : "number";
    default:
      return list ? "array-of-strings" : "string";
  }
}

interface Property {
  readonly element: ElementDefinition;
  readonly type: string;
  readonly sibling: boolean;
}

/** JSON properties of a type by name: choice elements per type, and `_name` beside every primitive. */
const propertiesOfType = new WeakMap<Definitions, Map<string, ReadonlyMap<string, Property>>>();

function properties(definitions: Definitions, type: string): ReadonlyMap<string, Property> {
  let cache = propertiesOfType.get(definitions);
  if (cache === undefined) {
    cache = new Map();
    propertiesOfType.set(definitions, cache);
  }
  const known = cache.get(type);
  if (known !== undefined) return known;
  const found = new Map<string, Property>();
  for (const element of definitions.type(type)?.elements.values() ?? []) {
    for (const code of element.types) {
      const name = jsonName(element, code);
      found.set(name, { element, type: code, sibling: false });
      if (definitions.type(code)?.kind === "primitive") {
        found.set(`_${name}`, { element, type: "Element", sibling: true });
      }
    }
  }
  cache.set(type, found);
  return found;
}

class Node implements PathNode {
  readonly name: string;
  readonly path: string;
  readonly type: string;
  readonly list: boolean;
  readonly expects: JsonExpectation;
  readonly json: boolean;
  readonly decimal: boolean;
  private readonly definitions: Definitions;
  private readonly ancestors: readonly string[];
  private readonly children = new Map<string, PathNode | undefined>();

  constructor(
    definitions: Definitions,
    at: { name: string; path: string; type: string; list: boolean; ancestors: readonly string[] },
  ) {
    this.definitions = definitions;
    this.ancestors = at.ancestors;
    this.name = at.name;
    this.path = at.path;
    this.type = at.type;
    this.list = at.list;
    this.expects = expectation(definitions, at.type, at.list);
    this.json = at.ancestors.length > 0 && storedAsJson(definitions, at.type, at.ancestors);
    this.decimal = at.type === "decimal";
  }

  child(name: string): PathNode | undefined {
    if (this.children.has(name)) return this.children.get(name);
    const node = this.json ? undefined : this.makeChild(name);
    // Only known names are kept: unknown ones come from data and could be any number.
    if (node !== undefined) this.children.set(name, node);
    return node;
  }

  private makeChild(name: string): PathNode | undefined {
    const path = this.path === "" ? name : `${this.path}.${name}`;
    const ancestors = [...this.ancestors, this.type];
    if (name === "resourceType" && this.definitions.type(this.type)?.kind === "resource") {
      return new Node(this.definitions, { name, path, type: "code", list: false, ancestors });
    }
    const property = properties(this.definitions, this.type).get(name);
    if (property === undefined) return undefined;
    return new Node(this.definitions, {
      name,
      path,
      type: property.type,
      list: property.element.list,
      ancestors,
    });
  }
}

/** The node of a whole resource, or of any other type whose JSON stands alone (what a json node holds). */
export function rootNode(definitions: Definitions, type: string): PathNode {
  return new Node(definitions, { name: "", path: "", type, list: false, ancestors: [] });
}

interface Tree {
  readonly node: PathNode;
  readonly children: Map<string, Tree>;
}

function add(tree: Tree, names: readonly string[]): void {
  let at = tree;
  for (const name of names) {
    if (at.node.json) return;
    let next = at.children.get(name);
    if (next === undefined) {
      const node = at.node.child(name);
      if (node === undefined) return;
      next = { node, children: new Map() };
      at.children.set(name, next);
    }
    at = next;
  }
}

function treeShape(definitions: Definitions, tree: Tree): Shape | undefined {
  if (tree.node.json) return { kind: "json" };
  let shape: Shape;
  if (definitions.type(tree.node.type)?.kind === "primitive") {
    shape = primitiveShape(tree.node.type);
  } else {
    const fields = new Map<string, Shape>();
    for (const [name, child] of tree.children) {
      const field = treeShape(definitions, child);
      if (field !== undefined) fields.set(name, field);
    }
    if (fields.size === 0 && tree.node.name !== "") return undefined;
    shape = { kind: "struct", fields };
  }
  return tree.node.list ? { kind: "list", item: shape } : shape;
}

/**
 * The struct that holds exactly the observed leaf paths (dotted JSON names without indexes: `name.given`, `_birthDate.extension.url`,
 * `contained`). Paths below a json node count as that node; paths that the type does not have are left out. Field order is the paths'
 * sorted order, so equal sets of paths give equal shapes.
 */
export function observedShape(
  definitions: Definitions,
  resourceType: string,
  observedPaths: Iterable<string>,
): Shape & { readonly kind: "struct" } {
  const tree: Tree = { node: rootNode(definitions, resourceType), children: new Map() };
  for (const path of [...observedPaths].sort()) add(tree, path.split("."));
  return treeShape(definitions, tree) as Shape & { readonly kind: "struct" };
}

function decimalProperties(definitions: Definitions, list: boolean): readonly string[] {
  const names = new Set<string>();
  for (const type of allTypes(definitions)) {
    for (const element of definitions.type(type)?.elements.values() ?? []) {
      if (element.list === list && element.types.includes("decimal")) names.add(jsonName(element, "decimal"));
    }
  }
  return [...names].sort();
}

function allTypes(definitions: Definitions): Iterable<string> {
  const seen = new Set<string>();
  const visit = (name: string): void => {
    if (seen.has(name)) return;
    seen.add(name);
    for (const element of definitions.type(name)?.elements.values() ?? []) element.types.forEach(visit);
  };
  definitions.resourceTypes.forEach(visit);
  return seen;
}

const scalarDecimals = new WeakMap<Definitions, readonly string[]>();
const listDecimals = new WeakMap<Definitions, readonly string[]>();

function cached(
  cache: WeakMap<Definitions, readonly string[]>,
  definitions: Definitions,
  list: boolean,
): readonly string[] {
  let names = cache.get(definitions);
  if (names === undefined) {
    names = decimalProperties(definitions, list);
    cache.set(definitions, names);
  }
  return names;
}

/** JSON property names under which a single decimal may stand in any type (`value`, `factor`, `valueDecimal`, …), sorted. */
export function decimalNames(definitions: Definitions): readonly string[] {
  return cached(scalarDecimals, definitions, false);
}

/** JSON property names under which a list of decimals may stand (few, rare types), sorted. */
export function decimalListNames(definitions: Definitions): readonly string[] {
  return cached(listDecimals, definitions, true);
}
