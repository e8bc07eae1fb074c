import { call, choose, type Expr, integer, text } from "#plan";
import {
  type Collection,
  filter,
  hasValueIn,
  isEmpty,
  itemOf,
  itemPresent,
  mapItems,
  single,
} from "../collection.js";
import { equals } from "../compare.js";
import { EMPTY, plain, singleton } from "../convert.js";
import { navigate } from "../navigate.js";
import { asType, isOfType, typeArgument } from "../type-test.js";
import { type FunctionTable, fn, type Invocation } from "./signature.js";

/** extension(url): `extension.where(url = …)`; on a primitive the extensions stand in its `_name` sibling. */
function extension(invocation: Invocation): Collection {
  const { analysis, ast, input, args, scope } = invocation;
  const extensions = navigate(analysis, input, "extension", ast.nameSpan);
  if (isEmpty(extensions)) return EMPTY;
  const url = analysis.analyze(args[0]!, scope);
  if (isEmpty(url)) return EMPTY;
  const expr = filter(analysis.names, extensions.expr, (item) => {
    const itemUrl = navigate(analysis, itemOf(extensions, item), "url", ast.nameSpan);
    return equals(analysis, itemUrl, url, ast.nameSpan);
  });
  return { ...extensions, expr };
}

/** hasValue(): true for exactly one primitive item that has a value. */
function hasValue(invocation: Invocation): Collection {
  const { analysis, input } = invocation;
  const primitives = input.variants.filter(
    (v) => analysis.definitions.type(v.type)?.kind === "primitive" || v.type.startsWith("System."),
  );
  const narrowed = { ...input, variants: primitives };
  if (!input.many) return single("boolean", hasValueIn(analysis.names, narrowed));
  const items = filter(analysis.names, input.expr, (item) => itemPresent(narrowed, item));
  return single(
    "boolean",
    primitives.length === 0
      ? hasValueIn(analysis.names, narrowed)
      : call("equal", call("listLength", items), integer(1)),
  );
}

function getValue(invocation: Invocation): Collection {
  return isEmpty(invocation.input)
    ? EMPTY
    : plain(invocation.analysis, singleton(invocation.analysis, invocation.input, "getValue()"));
}

/** A key as users see it: `Type/id`, with the source's name in front when it has one, so that keys of two sources never meet. */
function qualified(path: Expr): Expr {
  const source: Expr = { kind: "system", name: "source" };
  return choose(call("equal", source, text("")), path, call("concatenate", source, text("/"), path));
}

function getResourceKey(invocation: Invocation): Collection {
  const { analysis, input, ast } = invocation;
  if (input.expr.kind !== "row") {
    return analysis.fail(
      "unsupported",
      "getResourceKey() works on the resource of the view only.",
      ast.nameSpan,
    );
  }
  const type = input.variants[0]!.type;
  const key = qualified(call("concatenate", text(`${type}/`), { kind: "system", name: "id" }));
  return single("string", input.guard === undefined ? key : choose(input.guard, key));
}

/** The resource type that getReferenceKey's argument names. */
function referencedType(invocation: Invocation): string | undefined {
  const { analysis, args } = invocation;
  if (args.length === 0) return undefined;
  const type = typeArgument(analysis, args[0]!);
  if ("fhir" in type && analysis.definitions.resourceTypes.has(type.fhir)) return type.fhir;
  return analysis.fail(
    "wrong-arguments",
    "getReferenceKey() takes a resource type, such as Patient.",
    args[0]!.span,
  );
}

function getReferenceKey(invocation: Invocation): Collection {
  const { analysis, input, ast } = invocation;
  const type = referencedType(invocation);
  if (isEmpty(input)) return EMPTY;
  const references = input.variants.filter((variant) => variant.type === "Reference");
  if (references.length === 0) {
    const types = input.variants.map((variant) => variant.type).join(" or ");
    return analysis.fail("wrong-type", `getReferenceKey() needs a Reference, not ${types}.`, ast.nameSpan);
  }
  const source = plain(analysis, { ...input, variants: references });
  return mapItems(analysis.names, source, (item) => {
    const reference = navigate(analysis, item, "reference", ast.nameSpan).expr;
    const path = call("referenceKeyPath", reference, ...(type === undefined ? [] : [text(type)]));
    return single("string", qualified(path));
  });
}

/** Functions that FHIR and SQL on FHIR add to FHIRPath. */
export const FHIR: FunctionTable = {
  extension: fn(1, 1, extension),
  hasValue: fn(0, 0, hasValue),
  getValue: fn(0, 0, getValue),
  getResourceKey: fn(0, 0, getResourceKey),
  getReferenceKey: fn(0, 1, getReferenceKey),
  is: fn(1, 1, ({ analysis, input, args }) =>
    single("boolean", isOfType(analysis, input, typeArgument(analysis, args[0]!))),
  ),
  as: fn(1, 1, ({ analysis, input, args }) => asType(analysis, input, typeArgument(analysis, args[0]!))),
};
