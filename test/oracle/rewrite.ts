import { fhirpath, type SyntaxNode } from "./engine.js";

/** An expression that fhirpath.js's own engine can run, with our operators in place of its. */
export interface Rewritten {
  readonly expression: string;
  /** Values of string literals, under names no ViewDefinition can use. */
  readonly variables: Readonly<Record<string, string>>;
  /** `%name`s the expression mentions. */
  readonly constants: ReadonlySet<string>;
}

const operators: Record<string, string> = {
  "=": "opEqual",
  "!=": "opUnequal",
  "<": "opLess",
  "<=": "opLessOrEqual",
  ">": "opGreater",
  ">=": "opGreaterOrEqual",
  "+": "opAdd",
  "-": "opSubtract",
  "*": "opMultiply",
  "/": "opDivide",
  div: "opDivideInteger",
  mod: "opRemainder",
  "|": "opUnion",
  in: "opIn",
  contains: "opContains",
  "~": "opEquivalent",
  "!~": "opNotEquivalent",
};

function unescapeString(literal: string): string {
  return literal.slice(1, -1).replace(/\\(u[0-9a-fA-F]{4}|.)/gs, (_, escaped: string) => {
    if (escaped.length > 1) return String.fromCharCode(Number.parseInt(escaped.slice(1), 16));
    return { r: "\r", n: "\n", t: "\t", f: "\f" }[escaped] ?? escaped;
  });
}

class Printer {
  readonly variables: Record<string, string> = {};
  readonly constants = new Set<string>();

  print(node: SyntaxNode): string {
    const children = node.children ?? [];
    const first = (): string => this.print(children[0]!);
    const infix = (): string => `(${first()} ${node.text} ${this.print(children[1]!)})`;
    switch (node.type) {
      case "EntireExpression":
      case "TermExpression":
      case "InvocationTerm":
      case "LiteralTerm":
      case "MemberInvocation":
        return children.length === 0 ? node.text! : first();
      case "ParenthesizedTerm":
        return `(${first()})`;
      case "InvocationExpression":
        return `${first()}.${this.print(children[1]!)}`;
      case "IndexerExpression":
        return `${first()}[${this.print(children[1]!)}]`;
      case "FunctionInvocation":
        return this.printCall(children[0]!);
      case "PolarityExpression":
        return node.text === "-" ? `opNegate(${first()})` : first();
      case "OrExpression":
      case "AndExpression":
      case "ImpliesExpression":
        return infix();
      case "TypeExpression":
        return `(${first()} ${node.text} ${children[1]!.text})`;
      default:
        return this.printOperatorOrLeaf(node, children);
    }
  }

  private printOperatorOrLeaf(node: SyntaxNode, children: readonly SyntaxNode[]): string {
    const operator = operators[node.text ?? ""];
    if (node.type.endsWith("Expression") && operator !== undefined) {
      return `${operator}(${this.print(children[0]!)}, ${this.print(children[1]!)})`;
    }
    if (node.type.endsWith("Expression")) {
      return `(${this.print(children[0]!)} ${node.text} ${this.print(children[1]!)})`;
    }
    switch (node.type) {
      case "Identifier":
      case "BooleanLiteral":
      case "DateLiteral":
      case "DateTimeLiteral":
      case "TimeLiteral":
        return node.text!;
      case "QuantityLiteral":
        return `${node.value} ${node.unit}`;
      case "NullLiteral":
        return "{}";
      case "ThisInvocation":
        return "$this";
      case "IndexInvocation":
        return "$index";
      case "TotalInvocation":
        return "$total";
      case "NumberLiteral":
        return /^\d{1,15}$/.test(node.text!) ? node.text! : `exactDecimal('${node.text}')`;
      case "StringLiteral":
        return this.printString(node.text!);
      case "ExternalConstantTerm":
        return this.printConstant(node);
      default:
        throw new Error(`the oracle does not know ${node.type}`);
    }
  }

  private printCall(call: SyntaxNode): string {
    const [name, parameters] = call.children!;
    const printed = (parameters?.children ?? []).map((parameter) => this.print(parameter));
    // fhirpath.js takes the first of several criteria, where one is allowed.
    if (name!.text === "iif" && printed.length > 0) printed[0] = `criterionOf(${printed[0]})`;
    return `${name!.text}(${printed.join(", ")})`;
  }

  private printString(literal: string): string {
    if (!/[\\]/.test(literal)) return literal;
    const name = `text_${Object.keys(this.variables).length}_`;
    this.variables[name] = unescapeString(literal);
    return `%${name}`;
  }

  private printConstant(node: SyntaxNode): string {
    const name = node.text ?? node.delimitedText!;
    this.constants.add(name);
    return `%${name}`;
  }
}

/** Parses `expression` with HL7's parser and prints it again, operators as calls. Throws on what does not parse. */
export function rewrite(expression: string): Rewritten {
  const printer = new Printer();
  const text = printer.print(fhirpath.parse(expression));
  return { expression: text, variables: printer.variables, constants: printer.constants };
}
