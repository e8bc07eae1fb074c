import { createHash } from "node:crypto";
import { type Definitions, type FhirVersion, loadDefinitions, type Shape } from "#fhir";
import { ExactNumber, LakeError } from "#kernel";
import { explainPlan, type Plan, shareSubexpressions } from "#plan";
import { duckdbStatement, duckdbTypeName, type SqlStatement, type ViewSource } from "#sql";
import {
  type CompileWarning,
  checkNames,
  type LoweredColumn,
  parseView,
  ViewLowering,
  type ViewModel,
  viewError,
  viewJson,
} from "#views";

/** Part of every view hash: raise it when the same ViewDefinition compiles to different rows or types. */
export const COMPILER_VERSION = 3;

/** A column of a compiled view. */
export interface ViewColumn {
  readonly name: string;
  /** The column's FHIRPath. */
  readonly path: string;
  /** FHIR type of the values, declared or inferred; undefined when neither is known. */
  readonly fhirType: string | undefined;
  /** DuckDB type of the column in the statement's result. */
  readonly sqlType: string;
  readonly collection: boolean;
  readonly description: string | undefined;
}

/** How to compile. */
export interface CompileOptions {
  /** Definitions to type paths with; by default those of the view's fhirVersion, R4 when it names none. */
  readonly definitions?: Definitions;
  /** Warnings become errors: unknown elements and properties, types that do not fit. */
  readonly strict?: boolean;
}

/** A ViewDefinition ready to run. Immutable. */
export interface CompiledView {
  readonly name: string | undefined;
  readonly resource: string;
  readonly fhirVersion: FhirVersion;
  readonly columns: readonly ViewColumn[];
  /** A struct of exactly what the view reads. */
  readonly requiredShape: Shape;
  /** True when the view needs the exact source text. */
  readonly needsRaw: boolean;
  readonly warnings: readonly CompileWarning[];
  /** Changes whenever the ViewDefinition, the definitions or the compiler may change its rows: 64 hex digits. */
  readonly hash: string;
  /** One statement over a source: `_lake_key`, then the view's columns in order. */
  sql(source: ViewSource): SqlStatement;
  /** The plan and, for a source that has everything the view reads, the SQL. */
  explain(): string;
  /** What {@link explain} shows, apart. */
  explainParts(): ExplainedView;
}

/** A view's plan as an indented tree and its SQL over several lines. */
export interface ExplainedView {
  readonly plan: string;
  readonly sql: string;
}

/** JSON with sorted keys, so that the hash does not depend on key order. */
function canonical(json: unknown): string {
  if (json instanceof ExactNumber) return json.text;
  if (Array.isArray(json)) return `[${json.map(canonical).join(",")}]`;
  if (typeof json === "object" && json !== null) {
    const members = Object.entries(json).filter(([, value]) => value !== undefined);
    members.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    return `{${members.map(([key, value]) => `${JSON.stringify(key)}:${canonical(value)}`).join(",")}}`;
  }
  return JSON.stringify(json) ?? "null";
}

function hashOf(json: unknown, version: FhirVersion): string {
  return createHash("sha256")
    .update(`${COMPILER_VERSION}\0${version}\0${canonical(json)}`)
    .digest("hex");
}

const RELEASES: Readonly<Record<string, FhirVersion>> = {
  "4.0": "4.0.1",
  "4.1": "4.3.0",
  "4.3": "4.3.0",
  "5.0": "5.0.0",
};

function chooseDefinitions(view: ViewModel): Definitions {
  if (view.fhirVersions.length === 0) return loadDefinitions("4.0.1");
  const known = view.fhirVersions.flatMap((text) => {
    const version = RELEASES[text.split(".").slice(0, 2).join(".")];
    return version === undefined ? [] : [version];
  });
  if (known.length === 0) {
    throw viewError(
      "unsupported-version",
      "fhirVersion",
      "None of the view's FHIR versions is supported; use 4.0.1, 4.3.0 or 5.0.0.",
    );
  }
  return loadDefinitions(known.includes("4.0.1") ? "4.0.1" : known[0]!);
}

function viewColumn({ model, type, fhirType }: LoweredColumn): ViewColumn {
  return {
    name: model.name,
    path: model.expression.text,
    fhirType,
    sqlType: duckdbTypeName(type),
    collection: model.collection,
    description: model.description,
  };
}

function refuseWarnings(warnings: readonly CompileWarning[]): void {
  const first = warnings[0];
  if (first === undefined) return;
  const details = {
    ...first.details,
    path: first.path,
    warnings: warnings.map((warning) => warning.message),
  };
  throw new LakeError("invalid-input", first.code, first.message, { details });
}

function explain(definitions: Definitions, plan: Plan, shape: Shape): ExplainedView {
  const source: ViewSource = {
    relation: plan.resource,
    shape,
    keyColumn: "_lake_key",
    idColumn: "_lake_id",
    sourceColumn: "_lake_source",
  };
  return { plan: explainPlan(plan), sql: duckdbStatement(definitions, plan, source).text };
}

function build(json: unknown, options: CompileOptions): CompiledView {
  const { view, warnings: parseWarnings } = parseView(json);
  const definitions = options.definitions ?? chooseDefinitions(view);
  checkNames(definitions, view);
  const warnings = [...parseWarnings];
  const lowering = new ViewLowering(definitions, view, warnings);
  const { plan: lowered, columns } = lowering.lower(view);
  const plan = shareSubexpressions(lowered);
  const requiredShape = lowering.requiredShape();
  return {
    name: view.name,
    resource: view.resource,
    fhirVersion: definitions.version,
    columns: columns.map(viewColumn),
    requiredShape,
    needsRaw: false,
    warnings,
    hash: hashOf(json, definitions.version),
    sql: (source) => duckdbStatement(definitions, plan, source),
    explain: () => {
      const { plan: tree, sql } = explain(definitions, plan, requiredShape);
      return `${tree}\n\n${sql}\n`;
    },
    explainParts: () => explain(definitions, plan, requiredShape),
  };
}

/**
 * The hash that the compiled view would have, without compiling it.
 * Takes the ViewDefinition as text or parsed. Equal hashes mean equal rows; `definitions` are those that the view would be compiled with.
 */
export function viewHash(viewDefinition: unknown, definitions: Definitions): string {
  return hashOf(viewJson(viewDefinition), definitions.version);
}

const CACHE_SIZE = 256;
const cache = new Map<string, CompiledView>();

/**
 * Compiles a ViewDefinition (SQL on FHIR 3.0.0-ballot), given as JSON text or parsed; only text keeps all digits of a decimal constant.
 * Compiled views are kept by content, so compiling the same view again is a
 * look-up.
 * Errors: `view/…` with the JSON path, `fhirpath/…` with JSON path, span and caret; with `strict` the first warning's code.
 */
export function compileView(viewDefinition: unknown, options: CompileOptions = {}): CompiledView {
  const json = viewJson(viewDefinition);
  const key = `${options.definitions?.version ?? ""}\0${canonical(json)}`;
  const compiled = cache.get(key) ?? build(json, options);
  // Least recently used views leave first.
  cache.delete(key);
  cache.set(key, compiled);
  if (cache.size > CACHE_SIZE) cache.delete(cache.keys().next().value!);
  if (options.strict === true) refuseWarnings(compiled.warnings);
  return compiled;
}
