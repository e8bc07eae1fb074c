import { caret } from "#fhirpath";
import { type ErrorKind, isLakeError, LakeError } from "#kernel";

/** What can be wrong with a ViewDefinition; each is the last part of a `view/…` error code. */
export type ViewProblem =
  | "not-json"
  | "wrong-type"
  | "missing-resource"
  | "unknown-resource"
  | "missing-select"
  | "missing-property"
  | "invalid-name"
  | "duplicate-column"
  | "several-directives"
  | "union-columns"
  | "union-types"
  | "invalid-constant"
  | "unsupported-version"
  | "unsupported-type"
  | "endless-repeat"
  | "unsupported-repeat"
  | "type-mismatch"
  | "unknown-property"
  | "unknown-element"
  | "too-deep";

/** A warning, or with `strict` an error: where it is in the ViewDefinition and, for a path, where in the expression. */
export interface CompileWarning {
  readonly code: string;
  readonly message: string;
  /** JSON path in the ViewDefinition, such as `select[0].column[1].path`. */
  readonly path: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

/**
 * An error at a JSON path of the ViewDefinition: code `view/<problem>`, details `{path}`; for a FHIRPath expression as a whole also
 * `{expression, span, caret}`.
 */
export function viewError(
  problem: ViewProblem,
  path: string,
  message: string,
  expression?: string,
): LakeError {
  const kind: ErrorKind = problem.startsWith("unsupported") ? "unsupported" : "invalid-input";
  const span = { start: 0, end: expression?.length ?? 0 };
  const place = expression === undefined ? {} : { expression, span, caret: caret(expression, span) };
  const where = path === "" ? "" : `${path}: `;
  return new LakeError(kind, `view/${problem}`, `${where}${message}`, { details: { path, ...place } });
}

/** Runs work on an expression that stands at a JSON path, and adds the path to errors of FHIRPath. */
export function at<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!isLakeError(error) || !error.code.startsWith("fhirpath/") || error.details["path"] !== undefined)
      throw error;
    throw new LakeError(error.kind, error.code, `${path}: ${error.message}`, {
      details: { ...error.details, path },
      cause: error,
    });
  }
}
