import { type ErrorKind, LakeError } from "#kernel";

/** A half-open range of UTF-16 positions in an expression's text. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** What can be wrong with a FHIRPath expression; each is the last part of a `fhirpath/…` error code. */
export type FhirPathProblem =
  | "syntax"
  | "too-deep"
  | "unknown-function"
  | "unknown-constant"
  | "unknown-element"
  | "unknown-type"
  | "wrong-arguments"
  | "wrong-type"
  | "unsupported";

/**
 * The expression with the span underlined by carets on a second line. Line breaks are shown as spaces so that the carets stay below
 * their text, and long expressions are cut to the part around the span.
 */
export function caret(text: string, span: Span): string {
  const from = Math.max(0, span.start - 60);
  const shown = text.slice(from, span.start + 60).replace(/[\r\n\t]/g, " ");
  const width = Math.max(1, Math.min(span.end, from + shown.length) - span.start);
  return `${shown}\n${" ".repeat(span.start - from)}${"^".repeat(width)}`;
}

/**
 * An error in an expression: code `fhirpath/<problem>`, details `{expression, span, caret}`. Whoever knows where the expression
 * stands adds the JSON path (see `#views`).
 */
export function fhirPathError(
  problem: FhirPathProblem,
  message: string,
  text: string,
  span: Span,
): LakeError {
  const kind: ErrorKind = problem === "unsupported" ? "unsupported" : "invalid-input";
  return new LakeError(kind, `fhirpath/${problem}`, message, {
    details: { expression: text, span, caret: caret(text, span) },
  });
}
