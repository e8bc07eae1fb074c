import type { Span } from "./errors.js";

/** Binary operators of FHIRPath, as written. */
export type BinaryOperator =
  | "*"
  | "/"
  | "div"
  | "mod"
  | "+"
  | "-"
  | "&"
  | "|"
  | "<"
  | ">"
  | "<="
  | ">="
  | "="
  | "~"
  | "!="
  | "!~"
  | "in"
  | "contains"
  | "and"
  | "or"
  | "xor"
  | "implies";

/** A literal. Numbers and times keep their written form: `1.0` is not `1`. Date and time values come without the `@`. */
export type LiteralValue =
  | { readonly type: "empty" }
  | { readonly type: "boolean"; readonly value: boolean }
  | {
      readonly type: "string" | "integer" | "long" | "decimal" | "date" | "dateTime" | "time";
      readonly text: string;
    }
  | { readonly type: "quantity"; readonly text: string; readonly unit: string; readonly calendar: boolean };

/** A parsed expression. Every node carries the span of its text. */
export type Ast =
  | { readonly kind: "literal"; readonly value: LiteralValue; readonly span: Span }
  | { readonly kind: "constant"; readonly name: string; readonly span: Span }
  | { readonly kind: "variable"; readonly name: "this" | "index" | "total"; readonly span: Span }
  | {
      readonly kind: "member";
      readonly target: Ast | undefined;
      readonly name: string;
      readonly nameSpan: Span;
      readonly span: Span;
    }
  | {
      readonly kind: "call";
      readonly target: Ast | undefined;
      readonly name: string;
      readonly args: readonly Ast[];
      readonly nameSpan: Span;
      readonly span: Span;
    }
  | { readonly kind: "index"; readonly target: Ast; readonly index: Ast; readonly span: Span }
  | { readonly kind: "sign"; readonly operator: "+" | "-"; readonly operand: Ast; readonly span: Span }
  | {
      readonly kind: "binary";
      readonly operator: BinaryOperator;
      readonly left: Ast;
      readonly right: Ast;
      readonly operatorSpan: Span;
      readonly span: Span;
    }
  | {
      readonly kind: "type";
      readonly operator: "is" | "as";
      readonly operand: Ast;
      readonly typeName: string;
      readonly typeSpan: Span;
      readonly span: Span;
    };
