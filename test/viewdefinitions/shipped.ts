import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { packageRoot } from "#kernel";

/** One shipped ViewDefinition and the file of its cases. */
export interface ShippedView {
  readonly name: string;
  readonly family: string;
  readonly view: ViewJson;
  readonly casesPath: string;
}

export interface ViewJson {
  readonly url: string;
  readonly name: string;
  readonly title: string;
  readonly status: string;
  readonly description: string;
  readonly resource: string;
  readonly fhirVersion: readonly string[];
  readonly constant?: readonly { readonly name: string }[];
  readonly where?: readonly { readonly path: string; readonly description: string }[];
  readonly select: readonly SelectJson[];
}

export interface SelectJson {
  readonly column?: readonly ColumnJson[];
  readonly select?: readonly SelectJson[];
  readonly unionAll?: readonly SelectJson[];
  readonly forEach?: string;
  readonly forEachOrNull?: string;
  readonly repeat?: readonly string[];
}

export interface ColumnJson {
  readonly name: string;
  readonly path: string;
  readonly type: string;
  readonly description: string;
  readonly tag: readonly { readonly name: string; readonly value: string }[];
}

/** All views under `viewdefinitions`, by name. */
export function shippedViews(): ShippedView[] {
  const root = path.join(packageRoot(), "viewdefinitions");
  const families = readdirSync(root, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return families
    .flatMap(({ name: family }) => {
      const files = readdirSync(path.join(root, family));
      const views = files.filter((file) => file.endsWith(".json") && !file.endsWith(".cases.json"));
      return views.map((file) => {
        const name = file.slice(0, -".json".length);
        const view = JSON.parse(readFileSync(path.join(root, family, file), "utf8")) as ViewJson;
        return { name, family, view, casesPath: path.join(root, family, `${name}.cases.json`) };
      });
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The columns of a view in output order; the branches of a union count once. */
export function columnsOf(view: ViewJson): ColumnJson[] {
  const walk = (select: SelectJson): ColumnJson[] => [
    ...(select.column ?? []),
    ...(select.select ?? []).flatMap(walk),
    ...(select.unionAll ?? []).slice(0, 1).flatMap(walk),
  ];
  return view.select.flatMap(walk);
}

/** Every select of a view, union branches included. */
export function selectsOf(view: ViewJson): SelectJson[] {
  const walk = (select: SelectJson): SelectJson[] => [
    select,
    ...(select.select ?? []).flatMap(walk),
    ...(select.unionAll ?? []).flatMap(walk),
  ];
  return view.select.flatMap(walk);
}

/** The value of a column's tag, if it has one. */
export function tagOf(column: ColumnJson, name: string): string | undefined {
  return column.tag.find((tag) => tag.name === name)?.value;
}

/** Whether a view promises at most one row for each resource. */
export function isOneRowPerResource(view: ViewJson): boolean {
  return /^(One row|At most one row) per resource\. /.test(view.description);
}
