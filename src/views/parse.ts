import { type ConstantValue, parse } from "#fhirpath";
import { didYouMean, ExactNumber, isLakeError, parseExactJson } from "#kernel";
import { CONSTANT_TYPES, constantText } from "./constant.js";
import { at, type CompileWarning, viewError } from "./errors.js";
import type { ColumnModel, Iteration, PathExpression, SelectModel, Tag, ViewModel } from "./model.js";

/** Names of columns, constants and views (SQL on FHIR, constraint sql-name). */
const SQL_NAME = /^[A-Za-z][A-Za-z0-9_]*$/;
/** Deeper nesting than any view needs, shallow enough for the stack. */
const MAX_SELECT_DEPTH = 50;

const ELEMENT = ["id", "extension", "modifierExtension"];
const SELECT_PROPERTIES = [...ELEMENT, "column", "select", "forEach", "forEachOrNull", "repeat", "unionAll"];
const COLUMN_PROPERTIES = [...ELEMENT, "path", "name", "description", "collection", "type", "tag"];
const VIEW_PROPERTIES = [
  ...ELEMENT,
  ..."resourceType meta implicitRules language text contained url identifier version versionAlgorithmString".split(
    " ",
  ),
  ..."versionAlgorithmCoding title experimental date publisher contact description useContext jurisdiction".split(
    " ",
  ),
  ..."purpose copyright copyrightLabel approvalDate lastReviewDate effectivePeriod topic author editor".split(
    " ",
  ),
  ..."reviewer endorser relatedArtifact status name resource profile fhirVersion constant where select".split(
    " ",
  ),
];

type JsonObject = Readonly<Record<string, unknown>>;

/** Reads the JSON of a ViewDefinition; every complaint names the JSON path. */
class ViewReader {
  readonly warnings: CompileWarning[] = [];

  view(json: unknown): ViewModel {
    const view = this.object(json, "");
    this.knownProperties(view, "", VIEW_PROPERTIES);
    const type = view["resourceType"];
    if (type !== undefined && (typeof type !== "string" || !/(^|\/)ViewDefinition$/.test(type))) {
      throw viewError("wrong-type", "resourceType", "A ViewDefinition is expected.");
    }
    const resource = this.optionalString(view, "resource", "");
    if (resource === undefined || resource === "") {
      throw viewError("missing-resource", "resource", "The view must name the resource type it reads.");
    }
    const selects = this.optionalList(view, "select", "");
    if (selects === undefined || selects.length === 0) {
      throw viewError("missing-select", "select", "The view needs at least one select.");
    }
    return {
      name: this.viewName(view),
      resource,
      fhirVersions: this.strings(view, "fhirVersion", ""),
      constants: this.constants(view),
      where: (this.optionalList(view, "where", "") ?? []).map((item, i) =>
        this.condition(item, `where[${i}]`),
      ),
      selects: selects.map((select, i) => this.select(select, `select[${i}]`, 1)),
    };
  }

  private viewName(view: JsonObject): string | undefined {
    const name = this.optionalString(view, "name", "");
    if (name !== undefined && !SQL_NAME.test(name)) {
      throw viewError(
        "invalid-name",
        "name",
        "A view's name starts with a letter and has letters, digits and _ only.",
      );
    }
    return name;
  }

  private condition(json: unknown, path: string): PathExpression {
    const condition = this.object(json, path);
    this.knownProperties(condition, path, [...ELEMENT, "path", "description"]);
    return this.expression(condition, "path", path);
  }

  private select(json: unknown, path: string, depth: number): SelectModel {
    if (depth > MAX_SELECT_DEPTH) throw viewError("too-deep", path, "Selects are nested too deeply.");
    const select = this.object(json, path);
    this.knownProperties(select, path, SELECT_PROPERTIES);
    const list = <T>(name: string, read: (item: unknown, path: string) => T): T[] | undefined =>
      this.optionalList(select, name, path)?.map((item, i) => read(item, `${path}.${name}[${i}]`));
    const nested = (item: unknown, at: string): SelectModel => this.select(item, at, depth + 1);
    return {
      path,
      iteration: this.iteration(select, path),
      columns: list("column", (item, at) => this.column(item, at)) ?? [],
      selects: list("select", nested) ?? [],
      unionAll: list("unionAll", nested),
    };
  }

  private iteration(select: JsonObject, path: string): Iteration {
    const present = ["forEach", "forEachOrNull", "repeat"].filter((name) => select[name] !== undefined);
    if (present.length > 1) {
      const names = present.join(" and ");
      throw viewError(
        "several-directives",
        path,
        `A select has at most one of forEach, forEachOrNull, repeat; it has ${names}.`,
      );
    }
    switch (present[0]) {
      case "forEach":
      case "forEachOrNull":
        return { kind: present[0], expression: this.expression(select, present[0], path) };
      case "repeat": {
        const texts = this.strings(select, "repeat", path);
        if (texts.length === 0)
          throw viewError("missing-property", `${path}.repeat`, "repeat needs at least one path.");
        return { kind: "repeat", expressions: texts.map((text, i) => parsed(text, `${path}.repeat[${i}]`)) };
      }
      default:
        return { kind: "none" };
    }
  }

  private column(json: unknown, path: string): ColumnModel {
    const column = this.object(json, path);
    this.knownProperties(column, path, COLUMN_PROPERTIES);
    const name = this.requiredString(column, "name", path);
    if (!SQL_NAME.test(name)) {
      throw viewError(
        "invalid-name",
        `${path}.name`,
        "A column's name starts with a letter and has letters, digits and _ only.",
      );
    }
    const collection = column["collection"];
    if (collection !== undefined && typeof collection !== "boolean") {
      throw viewError("wrong-type", `${path}.collection`, "collection must be true or false.");
    }
    return {
      path,
      name,
      expression: this.expression(column, "path", path),
      collection: collection === true,
      type: typeOf(this.optionalString(column, "type", path)),
      description: this.optionalString(column, "description", path),
      tags: (this.optionalList(column, "tag", path) ?? []).map((tag, i) =>
        this.tag(tag, `${path}.tag[${i}]`),
      ),
    };
  }

  private tag(json: unknown, path: string): Tag {
    const tag = this.object(json, path);
    return { name: this.requiredString(tag, "name", path), value: this.requiredString(tag, "value", path) };
  }

  private constants(view: JsonObject): ReadonlyMap<string, ConstantValue> {
    const constants = new Map<string, ConstantValue>();
    for (const [i, item] of (this.optionalList(view, "constant", "") ?? []).entries()) {
      const path = `constant[${i}]`;
      const constant = this.object(item, path);
      const name = this.requiredString(constant, "name", path);
      if (!SQL_NAME.test(name)) {
        throw viewError(
          "invalid-name",
          `${path}.name`,
          "A constant's name starts with a letter and has letters, digits and _ only.",
        );
      }
      if (constants.has(name))
        throw viewError("invalid-constant", `${path}.name`, `The constant '${name}' is defined twice.`);
      constants.set(name, this.constantValue(constant, path));
    }
    return constants;
  }

  private constantValue(constant: JsonObject, path: string): ConstantValue {
    const names = Object.keys(constant).filter(
      (key) => key.startsWith("value") && constant[key] !== undefined,
    );
    if (names.length !== 1) {
      throw viewError("invalid-constant", path, "A constant needs exactly one value, such as valueString.");
    }
    const property = names[0]!;
    const type = CONSTANT_TYPES.find((t) => `value${t.charAt(0).toUpperCase()}${t.slice(1)}` === property);
    if (type === undefined) {
      const known = CONSTANT_TYPES.map((t) => `value${t.charAt(0).toUpperCase()}${t.slice(1)}`);
      throw viewError(
        "invalid-constant",
        `${path}.${property}`,
        `A constant cannot have a ${property}.${didYouMean(property, known)}`,
      );
    }
    const text = constantText(type, constant[property]);
    if (text === undefined) {
      throw viewError("invalid-constant", `${path}.${property}`, `This is not a valid ${type}.`);
    }
    return { type, text };
  }

  private expression(parent: JsonObject, name: string, path: string): PathExpression {
    return parsed(this.requiredString(parent, name, path), path === "" ? name : `${path}.${name}`);
  }

  private knownProperties(json: JsonObject, path: string, known: readonly string[]): void {
    for (const key of Object.keys(json)) {
      if (known.includes(key) || key.startsWith("_") || key === "fhir_comments") continue;
      this.warnings.push({
        code: "view/unknown-property",
        path: join(path, key),
        message: `${join(path, key)}: '${key}' is not a property here and is ignored.${didYouMean(key, known)}`,
      });
    }
  }

  private object(json: unknown, path: string): JsonObject {
    if (typeof json !== "object" || json === null || Array.isArray(json) || json instanceof ExactNumber) {
      throw viewError("wrong-type", path, "A JSON object is expected.");
    }
    return json as JsonObject;
  }

  private optionalList(parent: JsonObject, name: string, path: string): readonly unknown[] | undefined {
    const value = parent[name];
    if (value === undefined) return undefined;
    if (!Array.isArray(value)) throw viewError("wrong-type", join(path, name), "A JSON array is expected.");
    return value as readonly unknown[];
  }

  private strings(parent: JsonObject, name: string, path: string): readonly string[] {
    const list = this.optionalList(parent, name, path) ?? [];
    for (const [i, item] of list.entries()) {
      if (typeof item !== "string")
        throw viewError("wrong-type", `${join(path, name)}[${i}]`, "A string is expected.");
    }
    return list as readonly string[];
  }

  private optionalString(parent: JsonObject, name: string, path: string): string | undefined {
    const value = parent[name];
    if (value === undefined) return undefined;
    if (typeof value !== "string") throw viewError("wrong-type", join(path, name), "A string is expected.");
    return value;
  }

  private requiredString(parent: JsonObject, name: string, path: string): string {
    const value = this.optionalString(parent, name, path);
    if (value === undefined) throw viewError("missing-property", join(path, name), `'${name}' is missing.`);
    return value;
  }
}

function join(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}

function parsed(text: string, path: string): PathExpression {
  return { path, text, ast: at(path, () => parse(text)) };
}

/** A type's name: relative URIs mean the core specification. */
function typeOf(uri: string | undefined): string | undefined {
  if (uri === undefined) return undefined;
  return uri
    .replace(/^http:\/\/hl7\.org\/fhir\/StructureDefinition\//, "")
    .replace(/^http:\/\/hl7\.org\/fhirpath\/System\./, "System.");
}

/** The line and column, both from 1, of a character of a text. */
function placeOf(text: string, offset: number): string {
  const before = text.slice(0, offset).split("\n");
  return `line ${before.length}, column ${before.at(-1)!.length + 1}`;
}

/**
 * A ViewDefinition's JSON with the digits of every number: text is parsed, anything else is given back as it is.
 * Errors: `view/not-json` with line and column.
 */
export function viewJson(viewDefinition: unknown): unknown {
  if (typeof viewDefinition !== "string") return viewDefinition;
  const text = viewDefinition.replace(/^\uFEFF/, "");
  try {
    return parseExactJson(text);
  } catch (error) {
    const offset = isLakeError(error) ? error.details["offset"] : undefined;
    if (typeof offset !== "number") throw error;
    throw viewError("not-json", "", `The ViewDefinition is not valid JSON at ${placeOf(text, offset)}.`);
  }
}

/**
 * Checks the JSON of a ViewDefinition and parses its expressions; types and elements are checked later.
 * The JSON comes as text, or parsed; only text keeps all digits of numbers. Warnings: `view/unknown-property`. Errors: `view/…` with the JSON path, `fhirpath/syntax` with path, span and caret.
 */
export function parseView(viewDefinition: unknown): {
  readonly view: ViewModel;
  readonly warnings: readonly CompileWarning[];
} {
  const reader = new ViewReader();
  const view = reader.view(viewJson(viewDefinition));
  return { view, warnings: reader.warnings };
}
