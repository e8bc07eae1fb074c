import type { SelectModel } from "./model.js";
import { parseView, viewJson } from "./parse.js";

/** Profiles of ViewDefinition (SQL on FHIR 3.0.0-ballot). */
export type ViewProfile = "shareable" | "tabular";

/** One thing that a profile asks for and a view lacks. */
export interface ProfileFinding {
  readonly severity: "error" | "warning";
  /** JSON path in the ViewDefinition; empty for the view itself. */
  readonly path: string;
  readonly message: string;
}

/** Types that columns of a TabularViewDefinition may have. */
const TABULAR_TYPES = new Set([
  "base64Binary",
  "boolean",
  "canonical",
  "code",
  "dateTime",
  "decimal",
  "id",
  "instant",
  "integer",
  "integer64",
  "markdown",
  "oid",
  "string",
  "positiveInt",
  "time",
  "unsignedInt",
  "url",
  "uuid",
]);

/** Left out of the profile's list by an agreed slip: accepted, with a word. */
const FORGOTTEN_TYPES = new Set(["date", "uri"]);

const STATUS = ["draft", "active", "retired", "unknown"];

function finding(severity: ProfileFinding["severity"], path: string, message: string): ProfileFinding {
  return { severity, path, message };
}

function eachColumn(
  selects: readonly SelectModel[],
  visit: (column: SelectModel["columns"][number]) => void,
): void {
  for (const select of selects) {
    select.columns.forEach(visit);
    eachColumn(select.selects, visit);
    eachColumn(select.unionAll ?? [], visit);
  }
}

function checkMetadata(json: Readonly<Record<string, unknown>>): ProfileFinding[] {
  const found: ProfileFinding[] = [];
  const { url, name, status, fhirVersion } = json;
  if (typeof url !== "string" || url === "") {
    found.push(finding("error", "url", "A shareable view needs a url."));
  } else if (/[|\s#]/.test(url)) {
    found.push(finding("warning", "url", "A url should contain no '|', no '#' and no white space."));
  }
  if (typeof name !== "string") found.push(finding("error", "name", "A shareable view needs a name."));
  if (typeof status !== "string" || !STATUS.includes(status)) {
    found.push(finding("error", "status", `A view needs a status, one of ${STATUS.join(", ")}.`));
  }
  if (!Array.isArray(fhirVersion) || fhirVersion.length === 0) {
    found.push(finding("error", "fhirVersion", "A shareable view names the FHIR versions it is for."));
  } else {
    for (const [i, version] of fhirVersion.entries()) {
      if (/^\d+\.\d+\.\d+/.test(String(version))) continue;
      found.push(finding("error", `fhirVersion[${i}]`, "A FHIR version has three numbers, such as 4.0.1."));
    }
  }
  return found;
}

function shareable(
  json: Readonly<Record<string, unknown>>,
  selects: readonly SelectModel[],
): ProfileFinding[] {
  const found = checkMetadata(json);
  eachColumn(selects, (column) => {
    if (column.type !== undefined) return;
    found.push(
      finding("error", `${column.path}.type`, `Column '${column.name}' needs a type in a shareable view.`),
    );
  });
  return found;
}

function tabular(selects: readonly SelectModel[]): ProfileFinding[] {
  const found: ProfileFinding[] = [];
  eachColumn(selects, (column) => {
    if (column.collection) {
      found.push(
        finding(
          "error",
          `${column.path}.collection`,
          `Column '${column.name}' is a collection, which CSV cannot hold.`,
        ),
      );
    }
    const path = `${column.path}.type`;
    if (column.type === undefined) {
      found.push(finding("error", path, `Column '${column.name}' needs a primitive type in a tabular view.`));
    } else if (FORGOTTEN_TYPES.has(column.type)) {
      found.push(
        finding(
          "warning",
          path,
          `The profile's list of types lacks '${column.type}'; other tools may refuse the view.`,
        ),
      );
    } else if (!TABULAR_TYPES.has(column.type)) {
      found.push(
        finding("error", path, `Column '${column.name}' has type '${column.type}', which is not primitive.`),
      );
    }
  });
  return found;
}

/**
 * What keeps a ViewDefinition from meeting a profile; empty when it does.
 * Errors: those of the ViewDefinition's JSON and of FHIRPath syntax (`view/…`, `fhirpath/syntax`).
 */
export function checkProfile(viewDefinition: unknown, profile: ViewProfile): readonly ProfileFinding[] {
  const parsed = viewJson(viewDefinition);
  const { view } = parseView(parsed);
  const json = parsed as Readonly<Record<string, unknown>>;
  return profile === "shareable" ? shareable(json, view.selects) : tabular(view.selects);
}
