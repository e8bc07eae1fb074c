import type { Definitions } from "#fhir";
import type { Expr } from "#plan";
import type { Ast } from "./ast.js";
import type { Collection, NameSource } from "./collection.js";
import type { Span } from "./errors.js";

/** A constant of the view: its FHIR type and its value as written. */
export interface ConstantValue {
  readonly type: string;
  readonly text: string;
}

/** Something worth saying that does not stop compilation; `span` is where in the expression. */
export interface Warning {
  readonly code: string;
  readonly message: string;
  readonly span: Span;
}

/** What is the same for all expressions of a view. */
export interface Environment {
  readonly definitions: Definitions;
  /** The resource of the view. */
  readonly resource: Collection;
  readonly constants: ReadonlyMap<string, ConstantValue>;
  readonly names: NameSource;
}

/** What an expression sees at one place. */
export interface Scope {
  /** `$this`: the input of paths that start without a target. */
  readonly focus: Collection;
  /** `%context`: the focus of the whole expression. */
  readonly context: Collection;
  /** `$index`, inside `where`, `select`, `all` and `exists`. */
  readonly index?: Expr;
  /** `%rowIndex` (SQL on FHIR); absent where it has no meaning. */
  readonly rowIndex: Expr;
}

/** One expression being analysed; functions and operators work through it. */
export interface Analysis {
  readonly environment: Environment;
  readonly definitions: Definitions;
  readonly names: NameSource;
  /** The expression's text. */
  readonly text: string;
  analyze(ast: Ast, scope: Scope): Collection;
  warn(code: string, message: string, span: Span): void;
  /** Throws a `fhirpath/…` error at a place in the text. */
  fail(
    problem:
      | "unknown-function"
      | "unknown-constant"
      | "unknown-type"
      | "wrong-arguments"
      | "wrong-type"
      | "unsupported",
    message: string,
    span: Span,
  ): never;
}
