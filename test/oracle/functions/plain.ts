import type { Item, UserFunction } from "../engine.js";

/** A function of the whole input and evaluated arguments. */
export function plain(
  arity: Record<number, readonly string[]>,
  fn: (input: Item[], ...parameters: never[]) => unknown,
): UserFunction {
  return { internalStructures: true as const, arity, fn };
}
