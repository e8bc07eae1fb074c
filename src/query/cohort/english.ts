import type {
  Censor,
  CohortDefinition,
  CohortEntry,
  CohortTest,
  ColumnCondition,
  DayWindow,
  EventFilter,
  EventTest,
  RuleCohort,
  ValueCondition,
} from "./definition.js";

const COMPARED: Readonly<Record<string, string>> = {
  lt: "less than",
  le: "at most",
  gt: "more than",
  ge: "at least",
  startsWith: "beginning with",
};

function list(items: readonly string[], word: string): string {
  if (items.length <= 1) return items[0] ?? "";
  return `${items.slice(0, -1).join(", ")} ${word} ${items.at(-1)!}`;
}

function quantity(count: number, unit: string): string {
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}

function condition({ column, operator, values, negated }: ColumnCondition): string {
  const shown = list(
    values.map((value) => `'${value}'`),
    "or",
  );
  switch (operator) {
    case "isNull":
      return `${column} ${negated ? "present" : "missing"}`;
    case "eq":
    case "in":
      return `${column} ${shown}`;
    case "ne":
    case "notIn":
      return `${column} other than ${shown}`;
    default:
      return `${column} ${COMPARED[operator]!} ${shown}`;
  }
}

function value({ column, unit, low, high }: ValueCondition): string {
  const name = column === undefined ? "value" : column;
  const measured = unit === undefined || unit === "any" ? "" : ` ${unit}`;
  if (low !== undefined && high !== undefined && low.value === high.value) {
    return `${name} ${low.value}${measured}`;
  }
  const ends = [
    ...(low === undefined ? [] : [`${low.open ? "more than" : "at least"} ${low.value}`]),
    ...(high === undefined ? [] : [`${high.open ? "less than" : "at most"} ${high.value}`]),
  ];
  return `${name} ${ends.join(" and ")}${measured}${unit === "any" ? " in whatever unit" : ""}`;
}

function side(days: number): string {
  if (days === 0) return "the index day";
  return `${quantity(Math.abs(days), "day")} ${days < 0 ? "before" : "after"} the index`;
}

function window({ from, to }: DayWindow): string {
  if (from !== undefined && to !== undefined) {
    return from === to ? `on ${side(from)}` : `from ${side(from)} to ${side(to)}`;
  }
  if (from !== undefined) return `from ${side(from)} on`;
  return `up to ${side(to!)}`;
}

function rows(filter: EventFilter): string {
  const codes = filter.in.length === 0 ? "" : ` with ${filter.code ?? "a"} code of ${list(filter.in, "or")}`;
  const where = filter.where.length === 0 ? "" : ` where ${list(filter.where.map(condition), "and")}`;
  const all = filter.records === "all" ? " (erroneous and refuted records too)" : "";
  const date = filter.date === undefined ? "" : ` dated by ${filter.date.join(", else ")}`;
  return `${filter.view}${codes}${where}${all}${date}`;
}

function occurrences({ min, max, apartDays }: EventTest["count"]): string {
  const apart = apartDays === 0 ? "" : ` at least ${quantity(apartDays, "day")} apart`;
  if (max === undefined) return min === 1 ? "a record" : `at least ${min} records${apart}`;
  if (min === max) return min === 0 ? "no record" : `exactly ${quantity(min, "record")}${apart}`;
  return min === 0 ? `at most ${quantity(max, "record")}${apart}` : `${min} to ${max} records${apart}`;
}

function events(test: EventTest): string {
  const within = test.within === undefined ? "" : ` ${window(test.within)}`;
  const possibly =
    test.within !== undefined && test.partialDates === "possible"
      ? " (possibly, where dates are partial)"
      : "";
  if (test.pick !== "any") {
    return `the ${test.pick} ${value(test.value!)} in ${rows(test.filter)}${within}${possibly}`;
  }
  const measured = test.value === undefined ? "" : ` with ${value(test.value)}`;
  return `${occurrences(test.count)} in ${rows(test.filter)}${measured}${within}${possibly}`;
}

function test(one: CohortTest): string {
  switch (one.kind) {
    case "events":
      return events(one);
    case "age":
      if (one.low !== undefined && one.below !== undefined) {
        return `age ${one.low} to ${one.below - 1} years at the index`;
      }
      return one.low === undefined
        ? `age below ${one.below!} years at the index`
        : `age ${one.low} years or more at the index`;
    case "sex":
      return `administrative sex ${list(one.codes, "or")}`;
    case "not":
      return `not (${test(one.test)})`;
    default:
      return one.tests.map((part) => `(${test(part)})`).join(one.kind === "any" ? " or " : " and ");
  }
}

function entry(one: CohortEntry): string {
  if (one.kind === "everyone") return `Everybody, with ${one.at} as the index day`;
  const measured = one.value === undefined ? "" : ` with ${value(one.value)}`;
  const { from, to } = one.between ?? {};
  const time = [...(from === undefined ? [] : [`from ${from}`]), ...(to === undefined ? [] : [`to ${to}`])];
  const between = time.length === 0 ? "" : ` ${time.join(" ")}`;
  const washout =
    one.washoutDays === undefined
      ? ""
      : `, with no other such record in the ${quantity(one.washoutDays, "day")} before`;
  return `Persons with a record in ${rows(one.filter)}${measured}${between}${washout}; the day of the ${one.pick} is the index`;
}

function censored({ death, afterDays, at, event }: Censor): string {
  const ends = [
    ...(death ? ["death"] : []),
    ...(afterDays === undefined ? [] : [`${quantity(afterDays, "day")} after the index`]),
    ...(at === undefined ? [] : [at]),
    ...(event === undefined ? [] : [`the first later record in ${rows(event)}`]),
  ];
  return `Observation ends at ${list(ends, "or")}, whichever is first; nothing later counts.`;
}

/** What each bit of a mask says, in order: the lines of the attrition after the entry. */
export function ruleNames(definition: CohortDefinition): readonly string[] {
  if (definition.kind === "combined") {
    const names = definition.of.map(({ id, version }) => (version === undefined ? id : `${id}@${version}`));
    if (definition.operation === "union") return [];
    return names.map((name, index) =>
      definition.operation === "minus" && index > 0 ? `not in ${name}` : `in ${name}`,
    );
  }
  const observed = definition.censor === undefined ? [] : ["alive and under observation at the index"];
  const include = definition.include.map((rule) => rule.name ?? test(rule.test));
  const exclude = definition.exclude.map((rule) => `without ${rule.name ?? test(rule.test)}`);
  return [...observed, ...include, ...exclude];
}

function rulesText(cohort: RuleCohort): string[] {
  const numbered = (heading: string, rules: RuleCohort["include"]): string[] =>
    rules.length === 0
      ? []
      : [
          heading,
          ...rules.map(
            (rule, index) =>
              `  ${index + 1}. ${rule.name === undefined ? "" : `${rule.name}: `}${test(rule.test)}`,
          ),
        ];
  const sources = cohort.sources === undefined ? [] : [`Only records of ${list(cohort.sources, "and")}.`];
  return [
    `${entry(cohort.entry)}.`,
    ...sources,
    ...numbered("Who all have:", cohort.include),
    ...numbered("Without those who have:", cohort.exclude),
    ...(cohort.censor === undefined ? [] : [censored(cohort.censor)]),
  ];
}

/** The definition in English, several lines. */
export function describeCohort(definition: CohortDefinition): string {
  const lines =
    definition.kind === "rules"
      ? rulesText(definition)
      : [combinedText(definition.operation, ruleNamesOf(definition))];
  return [
    definition.title,
    ...(definition.description === undefined ? [] : [definition.description]),
    "",
    ...lines,
  ].join("\n");
}

function ruleNamesOf(definition: CohortDefinition & { readonly kind: "combined" }): readonly string[] {
  return definition.of.map(({ id, version }) => (version === undefined ? id : `${id} (version ${version})`));
}

function combinedText(operation: "union" | "intersect" | "minus", names: readonly string[]): string {
  if (operation === "union") return `Persons in any of the cohorts ${list(names, "and")}.`;
  if (operation === "intersect") return `Persons in all of the cohorts ${list(names, "and")}.`;
  return `Persons in cohort ${names[0]!} and not in ${list(names.slice(1), "or")}.`;
}

/** A window in English, for the dictionary of a dataset. */
export function describeWindow(within: DayWindow): string {
  return window(within);
}

/** Rows in English, for the dictionary of a dataset. */
export function describeRows(filter: EventFilter): string {
  return rows(filter);
}
