import type { Shape } from "#fhir";

type Struct = Shape & { readonly kind: "struct" };

function unite(a: Shape, b: Shape): Shape {
  if (a.kind === "json" || b.kind === "json") {
    const names = [a, b].map((shape) => (shape.kind === "json" ? shape.decimals : undefined));
    const [left, right] = names;
    // Without a list on both sides nobody knows what will be read inside.
    if (left === undefined || right === undefined) return { kind: "json" };
    return { kind: "json", decimals: [...new Set([...left, ...right])].sort() };
  }
  if (a.kind === "list" && b.kind === "list") return { kind: "list", item: unite(a.item, b.item) };
  if (a.kind === "struct" && b.kind === "struct") return uniteStructs(a, b);
  return a;
}

function uniteStructs(a: Struct, b: Struct): Struct {
  const fields = new Map(a.fields);
  for (const [name, shape] of b.fields) {
    const known = fields.get(name);
    fields.set(name, known === undefined ? shape : unite(known, shape));
  }
  return { kind: "struct", fields };
}

/** A struct with everything that any of the shapes reads; where one wants JSON, the field is JSON. */
export function unionShape(shapes: Iterable<Shape>): Struct {
  let all: Struct = { kind: "struct", fields: new Map() };
  for (const shape of shapes) if (shape.kind === "struct") all = uniteStructs(all, shape);
  return all;
}
