import type { Ast } from "../ast.js";
import type { Collection } from "../collection.js";
import type { Analysis, Scope } from "../scope.js";

/** A function call being analysed. */
export interface Invocation {
  readonly analysis: Analysis;
  readonly ast: Ast & { readonly kind: "call" };
  readonly input: Collection;
  readonly args: readonly Ast[];
  readonly scope: Scope;
}

/** A function: how many arguments it takes and what it makes of its input. */
export interface FunctionDefinition {
  readonly minArgs: number;
  readonly maxArgs: number;
  apply(invocation: Invocation): Collection;
}

/** Functions by name, one table per chapter of the specification. */
export type FunctionTable = Readonly<Record<string, FunctionDefinition>>;

/** A function of `min` to `max` arguments. */
export function fn(
  minArgs: number,
  maxArgs: number,
  apply: (invocation: Invocation) => Collection,
): FunctionDefinition {
  return { minArgs, maxArgs, apply };
}
