import type { Ast, LiteralValue } from "./ast.js";

const PLAIN_IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** Words that need quoting where they stand alone, because they would be read as something else. */
const RESERVED = new Set([
  "true",
  "false",
  "div",
  "mod",
  "and",
  "or",
  "xor",
  "implies",
  "is",
  "as",
  "in",
  "contains",
]);
const UNIT = /^(?:year|month|week|day|hour|minute|second|millisecond)s?$/;

function escaped(text: string, delimiter: string): string {
  let out = "";
  for (const char of text) {
    const code = char.codePointAt(0)!;
    if (char === "\\" || char === delimiter) out += `\\${char}`;
    else if (code < 0x20) out += `\\u${code.toString(16).padStart(4, "0")}`;
    else out += char;
  }
  return delimiter + out + delimiter;
}

function identifier(name: string): string {
  return PLAIN_IDENTIFIER.test(name) && !RESERVED.has(name) && !UNIT.test(name) ? name : escaped(name, "`");
}

function printLiteral(value: LiteralValue): string {
  switch (value.type) {
    case "empty":
      return "{}";
    case "boolean":
      return String(value.value);
    case "string":
      return escaped(value.text, "'");
    case "integer":
    case "decimal":
      return value.text;
    case "long":
      return `${value.text}L`;
    case "date":
    case "dateTime":
      return `@${value.text}`;
    case "time":
      return `@T${value.text}`;
    case "quantity":
      return `${value.text} ${value.calendar ? value.unit : escaped(value.unit, "'")}`;
  }
}

/** An operand in parentheses unless it stands for itself: printing never depends on precedence. */
function operand(ast: Ast): string {
  const text = print(ast);
  const compound = ast.kind === "binary" || ast.kind === "sign" || ast.kind === "type";
  return compound ? `(${text})` : text;
}

/** A target of `.` or `[`: a number or date would swallow the dot or a following word, so literals get parentheses. */
function target(ast: Ast | undefined): string {
  if (ast === undefined) return "";
  return ast.kind === "literal" && ast.value.type !== "string" && ast.value.type !== "empty"
    ? `(${print(ast)}).`
    : `${operand(ast)}.`;
}

/** The canonical text of an expression: parsing it again gives the same tree, spans apart. */
export function print(ast: Ast): string {
  switch (ast.kind) {
    case "literal":
      return printLiteral(ast.value);
    case "constant":
      return PLAIN_IDENTIFIER.test(ast.name) ? `%${ast.name}` : `%${escaped(ast.name, "`")}`;
    case "variable":
      return `$${ast.name}`;
    case "member":
      return target(ast.target) + identifier(ast.name);
    case "call":
      return `${target(ast.target)}${identifier(ast.name)}(${ast.args.map(print).join(", ")})`;
    case "index":
      return `${target(ast.target).slice(0, -1)}[${print(ast.index)}]`;
    case "sign":
      return `${ast.operator}${operand(ast.operand)}`;
    case "binary":
      return `${operand(ast.left)} ${ast.operator} ${operand(ast.right)}`;
    case "type":
      return `${operand(ast.operand)} ${ast.operator} ${ast.typeName.split(".").map(identifier).join(".")}`;
  }
}
