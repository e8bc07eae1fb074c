import type { CompileWarning } from "#compiler";
import type { LakeError } from "#kernel";

/** One thing wrong with a ViewDefinition, as the command line shows it. */
export interface ViewProblem {
  readonly severity: "error" | "warning";
  /** Error code such as `fhirpath/unknown-function`, or `profile/<name>`. */
  readonly code: string;
  readonly message: string;
  /** JSON path in the ViewDefinition; empty for the view itself, or when it is no JSON. */
  readonly path: string;
  /** The FHIRPath expression, the half-open range of its characters that is meant, and both with carets below. */
  readonly expression?: string;
  readonly span?: { readonly start: number; readonly end: number };
  readonly caret?: string;
}

/** An error or warning of the compiler with all that is known of its place. */
export function viewProblem(
  severity: ViewProblem["severity"],
  found: Pick<LakeError | CompileWarning, "code" | "message" | "details">,
  path?: string,
): ViewProblem {
  const { expression, span, caret } = found.details ?? {};
  const at = path ?? found.details?.["path"];
  return {
    severity,
    code: found.code,
    message: found.message,
    path: typeof at === "string" ? at : "",
    ...(typeof expression === "string" ? { expression } : {}),
    ...(typeof span === "object" && span !== null ? { span: span as NonNullable<ViewProblem["span"]> } : {}),
    ...(typeof caret === "string" ? { caret } : {}),
  };
}

/** A text with carets, indented below a message. */
export function indentedCaret(caret: string): string {
  return caret
    .split("\n")
    .map((line) => `    ${line}`)
    .join("\n");
}
