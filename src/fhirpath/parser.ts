import type { Ast, BinaryOperator, LiteralValue } from "./ast.js";
import { fhirPathError, type Span } from "./errors.js";
import { type Token, tokenize } from "./lexer.js";

/** Longest expression and deepest nesting accepted: far above any real expression, far below what could exhaust the stack. */
export const MAX_EXPRESSION_LENGTH = 20_000;
const MAX_DEPTH = 100;
/** Longest chain of one operator that needs no nesting: `a or b or c`. */
const MAX_CHAIN = 500;
const CHAINED: ReadonlySet<string> = new Set(["and", "or", "|"]);

/** Binding powers of the binary operators; a higher number binds tighter (FHIRPath N1, section 11.1 precedence). */
const BINDING: ReadonlyMap<string, number> = new Map([
  ["*", 110],
  ["/", 110],
  ["div", 110],
  ["mod", 110],
  ["+", 100],
  ["-", 100],
  ["&", 100],
  ["is", 90],
  ["as", 90],
  ["|", 80],
  ["<", 70],
  [">", 70],
  ["<=", 70],
  [">=", 70],
  ["=", 60],
  ["~", 60],
  ["!=", 60],
  ["!~", 60],
  ["in", 50],
  ["contains", 50],
  ["and", 40],
  ["or", 30],
  ["xor", 30],
  ["implies", 20],
]);
const SIGN_BINDING = 120;

const CALENDAR_UNIT = /^(?:year|month|week|day|hour|minute|second|millisecond)s?$/;

class Parser {
  private readonly text: string;
  private readonly tokens: readonly Token[];
  private at = 0;
  private depth = 0;
  /** How deep the left side of a tree goes. */
  private readonly heights = new WeakMap<Ast, { readonly height: number; readonly chain: number }>();

  constructor(text: string) {
    this.text = text;
    this.tokens = tokenize(text);
  }

  parse(): Ast {
    const ast = this.expression(0);
    if (this.current.kind !== "end") this.fail("An operator or the end of the expression is expected here.");
    return ast;
  }

  /** Refuses trees that grow too deep although the text does not nest, such as `1 + 1 + 1 …`. */
  private grown(ast: Ast, target: Ast | undefined): Ast {
    const below = target === undefined ? undefined : this.heights.get(target);
    const same = ast.kind === "binary" && target?.kind === "binary" && ast.operator === target.operator;
    const chain = same && CHAINED.has(ast.operator) ? (below?.chain ?? 1) + 1 : 1;
    const height = chain > 1 && below !== undefined ? below.height : (below?.height ?? 0) + 1;
    if (height > MAX_DEPTH || chain > MAX_CHAIN) {
      throw fhirPathError(
        "too-deep",
        "The expression is nested too deeply or too long.",
        this.text,
        ast.span,
      );
    }
    this.heights.set(ast, { height, chain });
    return ast;
  }

  private get current(): Token {
    return this.tokens[this.at]!;
  }

  private fail(message: string, span: Span = this.current.span): never {
    const shown = span.start === span.end ? { start: span.start, end: span.start + 1 } : span;
    throw fhirPathError("syntax", message, this.text, shown);
  }

  private take(): Token {
    const token = this.current;
    if (token.kind !== "end") this.at++;
    return token;
  }

  private isSymbol(value: string): boolean {
    return this.current.kind === "symbol" && this.current.value === value;
  }

  private expect(symbol: string): Token {
    if (!this.isSymbol(symbol)) this.fail(`'${symbol}' is expected here.`);
    return this.take();
  }

  private expression(minimum: number): Ast {
    if (++this.depth > MAX_DEPTH) {
      throw fhirPathError("too-deep", "The expression is nested too deeply.", this.text, this.current.span);
    }
    let left = this.prefix();
    for (;;) {
      const token = this.current;
      const binding =
        token.kind === "symbol" || token.kind === "identifier" ? BINDING.get(token.value) : undefined;
      if (binding === undefined || binding <= minimum) break;
      this.take();
      const operation =
        token.value === "is" || token.value === "as"
          ? this.typeTest(left, token.value)
          : this.binary(left, token, binding);
      left = this.grown(operation, left);
    }
    this.depth--;
    return left;
  }

  private binary(left: Ast, operator: Token, binding: number): Ast {
    const right = this.expression(binding);
    return {
      kind: "binary",
      operator: operator.value as BinaryOperator,
      left,
      right,
      operatorSpan: operator.span,
      span: { start: left.span.start, end: right.span.end },
    };
  }

  private typeTest(operand: Ast, operator: "is" | "as"): Ast {
    const type = this.typeName();
    return {
      kind: "type",
      operator,
      operand,
      typeName: type.name,
      typeSpan: type.span,
      span: { start: operand.span.start, end: type.span.end },
    };
  }

  private typeName(): { name: string; span: Span } {
    const first = this.identifier("A type name is expected here.");
    let { value, span } = first;
    while (this.isSymbol(".")) {
      this.take();
      const next = this.identifier("A type name is expected here.");
      value = `${value}.${next.value}`;
      span = { start: span.start, end: next.span.end };
    }
    return { name: value, span };
  }

  private identifier(message: string): Token {
    if (this.current.kind !== "identifier" && this.current.kind !== "quoted-identifier") this.fail(message);
    return this.take();
  }

  private prefix(): Ast {
    if (this.isSymbol("+") || this.isSymbol("-")) {
      const sign = this.take();
      const operand = this.expression(SIGN_BINDING);
      return {
        kind: "sign",
        operator: sign.value as "+" | "-",
        operand,
        span: { start: sign.span.start, end: operand.span.end },
      };
    }
    return this.postfix(this.term());
  }

  private postfix(start: Ast): Ast {
    let target = start;
    for (;;) {
      if (this.isSymbol(".")) {
        this.take();
        if (this.current.kind === "variable") target = this.variable(this.take(), target);
        else target = this.grown(this.invocation(target), target);
      } else if (this.isSymbol("[")) {
        this.take();
        const index = this.expression(0);
        const close = this.expect("]");
        const span = { start: target.span.start, end: close.span.end };
        target = this.grown({ kind: "index", target, index, span }, target);
      } else {
        return target;
      }
    }
  }

  private invocation(target: Ast | undefined): Ast {
    const name = this.identifier("An element or function name is expected here.");
    const start = target?.span.start ?? name.span.start;
    if (!this.isSymbol("(")) {
      return {
        kind: "member",
        target,
        name: name.value,
        nameSpan: name.span,
        span: { start, end: name.span.end },
      };
    }
    this.take();
    const args: Ast[] = [];
    if (!this.isSymbol(")")) {
      args.push(this.expression(0));
      while (this.isSymbol(",")) {
        this.take();
        args.push(this.expression(0));
      }
    }
    const close = this.expect(")");
    return {
      kind: "call",
      target,
      name: name.value,
      args,
      nameSpan: name.span,
      span: { start, end: close.span.end },
    };
  }

  private variable(token: Token, target: Ast | undefined): Ast {
    const name = token.value;
    if (name !== "this" && name !== "index" && name !== "total") {
      this.fail("Only $this, $index and $total exist.", token.span);
    }
    // `a.$this` is `a`: the grammar allows it, and it adds nothing.
    return target !== undefined && name === "this" ? target : { kind: "variable", name, span: token.span };
  }

  private term(): Ast {
    const token = this.current;
    switch (token.kind) {
      case "identifier":
        if (token.value === "true" || token.value === "false") {
          this.take();
          return {
            kind: "literal",
            value: { type: "boolean", value: token.value === "true" },
            span: token.span,
          };
        }
        return this.invocation(undefined);
      case "quoted-identifier":
        return this.invocation(undefined);
      case "variable":
        return this.variable(this.take(), undefined);
      case "constant":
        this.take();
        return { kind: "constant", name: token.value, span: token.span };
      case "string":
      case "date":
      case "dateTime":
      case "time":
        this.take();
        return { kind: "literal", value: { type: token.kind, text: token.value }, span: token.span };
      case "long":
        this.take();
        return { kind: "literal", value: { type: "long", text: token.value }, span: token.span };
      case "number":
        return this.number();
      case "symbol":
        return this.bracketed();
      case "end":
        return this.fail(
          this.tokens.length === 1 ? "The expression is empty." : "The expression ends too early.",
        );
    }
  }

  private number(): Ast {
    const token = this.take();
    const unit = this.current;
    if (unit.kind === "string" || (unit.kind === "identifier" && CALENDAR_UNIT.test(unit.value))) {
      this.take();
      const value: LiteralValue = {
        type: "quantity",
        text: token.value,
        unit: unit.value,
        calendar: unit.kind === "identifier",
      };
      return { kind: "literal", value, span: { start: token.span.start, end: unit.span.end } };
    }
    const type = token.value.includes(".") ? "decimal" : "integer";
    return { kind: "literal", value: { type, text: token.value }, span: token.span };
  }

  private bracketed(): Ast {
    const open = this.current;
    if (this.isSymbol("(")) {
      this.take();
      const inner = this.expression(0);
      const close = this.expect(")");
      const ast = { ...inner, span: { start: open.span.start, end: close.span.end } };
      const size = this.heights.get(inner);
      if (size !== undefined) this.heights.set(ast, size);
      return ast;
    }
    if (this.isSymbol("{")) {
      this.take();
      const close = this.expect("}");
      return {
        kind: "literal",
        value: { type: "empty" },
        span: { start: open.span.start, end: close.span.end },
      };
    }
    return this.fail("A value, an element or a function is expected here.");
  }
}

/**
 * Parses a FHIRPath expression (grammar of FHIRPath N1, with `1L` longs).
 * Errors: `fhirpath/syntax`, `fhirpath/too-deep`, each with span and caret.
 */
export function parse(text: string): Ast {
  if (text.length > MAX_EXPRESSION_LENGTH) {
    const message = `The expression is longer than ${MAX_EXPRESSION_LENGTH} characters.`;
    throw fhirPathError("too-deep", message, text, {
      start: MAX_EXPRESSION_LENGTH,
      end: MAX_EXPRESSION_LENGTH + 1,
    });
  }
  return new Parser(text).parse();
}
