import { didYouMean, LakeError } from "#kernel";
import { badDefinition, type JsonNode } from "./json-node.js";

/** What a cohort may be broken down by, and how it is read from a person (`p`) and their index (`m`). */
const DIMENSIONS = {
  gender: "p.gender",
  birth_sex: "p.birth_sex",
  race: "p.race",
  ethnicity: "p.ethnicity",
  marital_status: "p.marital_status",
  language: "p.language",
  state: "p.state",
  country: "p.country",
  /** Ten years of age at the index, by the earliest day of both. */
  age_band:
    "CASE WHEN age < 0 THEN NULL WHEN age >= 90 THEN '90+' ELSE (age // 10 * 10)::VARCHAR || '-' || (age // 10 * 10 + 9)::VARCHAR END",
  /** The first year that the index can mean. */
  index_year: "year(m.index_start)::VARCHAR",
  /** The source whose record of the person stands after merges. */
  source: "split_part(m.person_key, '/', 1)",
} as const;

/** A dimension of breakdowns. */
export type Dimension = keyof typeof DIMENSIONS;

/** All dimensions by name. */
export const dimensions = Object.keys(DIMENSIONS) as readonly Dimension[];

/** Columns of patient_demographics that dimensions read. */
export const DEMOGRAPHIC_DIMENSIONS = [
  "gender",
  "birth_sex",
  "race",
  "ethnicity",
  "marital_status",
  "language",
  "state",
  "country",
] as const;

/** SQL of a dimension over the relation `m` of members, `p` of persons and a column `age`. */
export function dimensionSql(dimension: Dimension): string {
  return DIMENSIONS[dimension];
}

/** A dimension by its name, or undefined. */
export function dimensionOf(name: string): Dimension | undefined {
  return dimensions.find((dimension) => dimension === name);
}

/** Feasibility tabulates by these two. */
export const FEASIBILITY: readonly [Dimension, Dimension] = ["source", "index_year"];

/**
 * The pairs of dimensions that may be crossed under suppression, `[["gender", "age_band"]]`. Together with the pair of feasibility they
 * must form no circle: only then can every table be altered without the others showing it, which is what suppression rests on.
 */
export function checkCrossTables(node: JsonNode | undefined): readonly (readonly [string, string])[] {
  const parent = new Map<string, string>();
  const root = (name: string): string => {
    const above = parent.get(name) ?? name;
    return above === name ? name : root(above);
  };
  const join = ([a, b]: readonly [string, string]): boolean => {
    if (root(a) === root(b)) return false;
    parent.set(root(a), root(b));
    return true;
  };
  join(FEASIBILITY);
  const seen = new Set([[...FEASIBILITY].sort().join(" ")]);
  return (node?.list() ?? []).flatMap((item) => {
    const names = item.list().map((part) => {
      const found = dimensionOf(part.text());
      if (found !== undefined) return found;
      throw badDefinition(
        part.path,
        `there is no dimension of that name.${didYouMean(part.text(), dimensions)} There are ${dimensions.join(", ")}.`,
      );
    });
    const [a, b] = names;
    if (names.length !== 2 || a === undefined || b === undefined || a === b) {
      throw item.wrong("a list of two different dimensions");
    }
    const pair = [a, b].sort().join(" ");
    if (seen.has(pair)) return [];
    seen.add(pair);
    if (!join([a, b])) {
      throw badDefinition(
        item.path,
        `closes a circle of tables (source and index_year count as crossed), from which small counts could be computed; leave one out.`,
      );
    }
    return [[a, b] as const];
  });
}

/** The dimensions of a breakdown by their names. Fails with `cohort/bad-dimension`, naming the nearest. */
export function parseDimensions(names: readonly string[]): readonly Dimension[] {
  const found = names.map((name) => {
    const dimension = dimensionOf(name);
    if (dimension !== undefined) return dimension;
    throw new LakeError(
      "invalid-input",
      "cohort/bad-dimension",
      `There is no dimension '${name.slice(0, 64)}'.${didYouMean(name, dimensions)} There are ${dimensions.join(", ")}.`,
    );
  });
  if (found.length >= 1 && found.length <= 2 && new Set(found).size === found.length) return found;
  throw new LakeError(
    "invalid-input",
    "cohort/bad-dimension",
    "A breakdown is by one dimension or by two different ones.",
  );
}
