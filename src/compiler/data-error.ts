import { LakeError } from "#kernel";
import { FAILURE_PREFIX } from "#sql";

const PATTERN = new RegExp(`${FAILURE_PREFIX}:([a-z-]+):([^;]*);`);

/** The texts of an error and of what caused it. */
function texts(error: unknown): string[] {
  const found: string[] = [];
  for (let at = error; at instanceof Error && found.length < 8; at = at.cause) found.push(at.message);
  return found;
}

/**
 * The error that data caused in a compiled view's statement, or undefined when `error` is something else. The engine reports it as text,
 * which this reads back: `view/multiple-values` (details `{column}`), `view/singleton-expected` (details `{operator}`),
 * `view/too-deep-data` (details `{levels}`), `view/bad-line`.
 */
export function viewDataError(error: unknown): LakeError | undefined {
  for (const text of texts(error)) {
    const match = PATTERN.exec(text);
    if (match === null) continue;
    const [, code, subject] = match;
    if (code === "multiple-values") {
      const message = `Column '${subject}' got more than one value for one row; add first(), a where, a forEach, or collection: true.`;
      return new LakeError("invalid-input", "view/multiple-values", message, {
        details: { column: subject },
        cause: error,
      });
    }
    if (code === "too-deep") {
      const message = `A resource nests more than ${subject} levels deep where the view repeats.`;
      return new LakeError("invalid-input", "view/too-deep-data", message, {
        details: { levels: Number(subject) },
        cause: error,
      });
    }
    if (code === "bad-line") {
      const message = "A line of the input is no FHIR resource: no JSON object with a resourceType.";
      return new LakeError("invalid-input", "view/bad-line", message, { cause: error });
    }
    const message = `'${subject}' got more than one item where FHIRPath allows one; add first() or exists(), or compare inside where().`;
    return new LakeError("invalid-input", "view/singleton-expected", message, {
      details: { operator: subject },
      cause: error,
    });
  }
  return undefined;
}
