import { didYouMean } from "#kernel";
import type { SnapshotView, ViewColumn } from "../catalog.js";
import { badDefinition } from "./json-node.js";
import { SYSTEMS } from "./value-set.js";

/** How the day of an event is read: from a FHIR date as written, or from a typed column. */
export type DateColumn =
  | {
      readonly kind: "text";
      readonly name: string;
      /** As written, perhaps partial. */
      readonly text: string;
      /** Its first possible day, where the view has it as a date. */
      readonly day: string | undefined;
      /** The moment at which it begins, which orders events of one day. */
      readonly moment: string | undefined;
    }
  | { readonly kind: "day" | "moment"; readonly name: string; readonly column: string };

/** A column of codes, with the column of their system or the systems that its name stands for. */
export interface CodeColumn {
  readonly code: string;
  readonly system: { readonly column: string } | { readonly of: readonly string[] };
}

/** Where a measured value stands. */
export interface ValueColumns {
  readonly value: string;
  readonly unit: string | undefined;
  readonly comparator: string | undefined;
}

/** Names of dates in the order in which they say when something happened. */
const USUAL_DATES = [
  "onset",
  "effective",
  "performed",
  "occurrence",
  "authored",
  "start",
  "context_start",
  "recorded",
  "created",
  "issued",
  "date",
];

const ICD10 = [SYSTEMS["icd10cm"]!, SYSTEMS["icd10"]!, SYSTEMS["icd10am"]!];
/** Columns that hold the codes of fixed systems; see viewdefinitions/README.md. */
const SYSTEM_COLUMNS: readonly (readonly [string, readonly string[]])[] = [
  ["snomed_code", [SYSTEMS["snomed"]!]],
  ["icd10_code", ICD10],
  ["loinc_code", [SYSTEMS["loinc"]!]],
  ["rxnorm_code", [SYSTEMS["rxnorm"]!]],
  ["cvx_code", [SYSTEMS["cvx"]!]],
  ["cpt_code", [SYSTEMS["cpt"]!]],
];

const DATE_TYPES: readonly (string | undefined)[] = ["date", "dateTime", "instant"];

/** What the columns of a view say about when, what and how much, by the conventions of viewdefinitions/README.md. */
export class ViewShape {
  readonly view: SnapshotView;
  private readonly columns: ReadonlyMap<string, ViewColumn>;

  constructor(view: SnapshotView) {
    this.view = view;
    this.columns = new Map(view.columns.map((column) => [column.name, column]));
  }

  has(name: string): boolean {
    return this.columns.has(name);
  }

  /** The column of that name. Fails with `cohort/bad-definition` at `path`, naming the nearest. */
  column(name: string, path: string): ViewColumn {
    const column = this.columns.get(name);
    if (column !== undefined) return column;
    throw badDefinition(
      path,
      `view '${this.view.name}' has no column '${name.slice(0, 64)}'.${didYouMean(name, this.columns.keys())}`,
    );
  }

  private typed(name: string, type: RegExp): string | undefined {
    return type.test(this.columns.get(name)?.sqlType ?? "") ? name : undefined;
  }

  private date(name: string): DateColumn | undefined {
    const moment = /^TIMESTAMP/;
    for (const text of [name, `${name}_text`]) {
      const column = this.columns.get(text);
      if (column === undefined || column.sqlType !== "VARCHAR" || !DATE_TYPES.includes(column.fhirType))
        continue;
      const at = [`${name}_start`, `period_${name}`, `${name}_at`].find((one) => this.typed(one, moment));
      return { kind: "text", name, text, day: this.typed(`${name}_date`, /^DATE$/), moment: at };
    }
    if (this.typed(name, /^DATE$/) !== undefined) return { kind: "day", name, column: name };
    if (this.typed(name, moment) !== undefined) return { kind: "moment", name, column: name };
    return undefined;
  }

  /** The dates of those names, or the usual ones of the view; perhaps none. */
  dates(names: readonly string[] | undefined, path: string): readonly DateColumn[] {
    if (names === undefined) {
      return USUAL_DATES.flatMap((name) => this.date(name) ?? []);
    }
    return names.map((name) => {
      const found = this.date(name);
      if (found !== undefined) return found;
      const known = [...this.columns.keys()].filter((one) => this.date(one) !== undefined);
      throw badDefinition(
        `${path}.date`,
        `view '${this.view.name}' has no date '${name.slice(0, 64)}'.${didYouMean(name, known)}`,
      );
    });
  }

  /** The columns in which codes are looked for: the main ones, or those of an element such as `reason`. */
  codes(element: string | undefined, path: string): readonly CodeColumn[] {
    const pair = (name: string): CodeColumn[] => {
      const system = [`${name}_system`, `${name}_code_system`].find((one) => this.has(one));
      return system !== undefined && this.has(`${name}_code`)
        ? [{ code: `${name}_code`, system: { column: system } }]
        : [];
    };
    if (element !== undefined) {
      const found = pair(element);
      if (found.length > 0) return found;
      const known = [...this.columns.keys()]
        .filter((one) => one.endsWith("_code"))
        .map((one) => one.slice(0, -5));
      throw badDefinition(
        `${path}.code`,
        `view '${this.view.name}' has no columns of a system and a code '${element.slice(0, 64)}'.${didYouMean(element, known)}`,
      );
    }
    const plain: CodeColumn[] =
      this.has("code") && this.has("code_system")
        ? [{ code: "code", system: { column: "code_system" } }]
        : [];
    const main =
      plain.length > 0 ? plain : ([pair("medication"), pair("type")].find((one) => one.length > 0) ?? []);
    const fixed = SYSTEM_COLUMNS.filter(([name]) => this.has(name)).map(
      ([code, of]): CodeColumn => ({ code, system: { of } }),
    );
    const found = [...main, ...fixed];
    if (found.length > 0) return found;
    throw badDefinition(`${path}.in`, `view '${this.view.name}' has no codes to look for; use where.`);
  }

  /** The columns of a value; `value_number` when none is named. */
  value(name: string | undefined, path: string): ValueColumns {
    const value = this.column(name ?? "value_number", name === undefined ? path : `${path}.column`);
    if (!/^(DOUBLE|FLOAT|TINYINT|SMALLINT|INTEGER|BIGINT|DECIMAL)/.test(value.sqlType)) {
      throw badDefinition(
        `${path}.column`,
        `column '${value.name}' of view '${this.view.name}' holds no numbers.`,
      );
    }
    const base = value.name.replace(/_number$/, "");
    const unit = [`${base}_unit_code`, ...(base === "value" ? ["unit_code"] : [])].find((one) =>
      this.has(one),
    );
    const comparator = base === "value" && this.has("comparator") ? "comparator" : undefined;
    return { value: value.name, unit, comparator };
  }
}

/**
 * Records that say of themselves that they do not hold: entered in error, cancelled or not done, refuted, or an order not to do
 * something. By column: the values that leave a row out.
 */
export const recordsRule: Readonly<Record<string, readonly string[]>> = {
  status: ["entered-in-error", "cancelled", "not-done"],
  verification_status: ["entered-in-error", "refuted"],
  do_not_perform: ["true"],
};
