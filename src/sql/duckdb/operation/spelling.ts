import type { DataType } from "#plan";
import type { Value } from "../value.js";

/** How one operation is written: its SQL text and the type of its result. Arguments are bound values, none of them constant NULL. */
export interface Spelling {
  readonly type: DataType | ((args: readonly Value[]) => DataType);
  readonly sql: (args: readonly string[], values: readonly Value[]) => string;
}

/** An operator between its operands. */
export function infix(operator: string, type: Spelling["type"]): Spelling {
  return { type, sql: (args) => `(${args.join(` ${operator} `)})` };
}

/** A call of the engine's function of that name. */
export function named(name: string, type: Spelling["type"]): Spelling {
  return { type, sql: (args) => `${name}(${args.join(", ")})` };
}

/** The type of the first argument. */
export const first = (args: readonly Value[]): DataType => args[0]!.type;

/** The type of the items of the first argument, or of the argument itself where it is no list. */
export const itemType = (args: readonly Value[]): DataType => {
  const type = args[0]!.type;
  return type.kind === "list" ? type.item : type;
};

/** The text of a literal argument, which the checks before have made sure of. */
export function literalText(value: Value): string {
  return /^'(.*)'$/s.exec(value.sql)?.[1]?.replaceAll("''", "'") ?? "";
}
