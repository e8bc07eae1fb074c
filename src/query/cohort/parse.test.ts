import { describe, expect, it } from "vitest";
import type { LakeError } from "#kernel";
import { describeCohort, ruleNames } from "./english.js";
import { parseCohort } from "./parse.js";

const BASE = {
  title: "Diabetes",
  valueSets: {
    t2d: { codes: [{ system: "snomed", codes: ["44054006"] }] },
    lab: { csv: 'system,code,display\r\nloinc,4548-4,"HbA1c, ""total"""\r\nhttp://loinc.org,59261-8,x\r\n' },
  },
  entry: { view: "condition", in: "t2d" },
};

const CASES: readonly (readonly [change: object, path: string, text: string])[] = [
  [{ titel: "x" }, "titel", "Did you mean 'title'?"],
  [{ title: "" }, "title", "has to be text of 1 to 200 characters."],
  [{ entry: undefined }, "", "The definition: has to have an entry (or combine)."],
  [{ entry: { in: "t2d" } }, "entry", "has to name a view."],
  [
    { entry: { view: "condition", in: "t2" } },
    "entry.in",
    "there is no value set 't2' in valueSets, which has t2d, lab.",
  ],
  [{ entry: { view: "condition", washoutDays: 0 } }, "entry.washoutDays", "a whole number from 1 to"],
  [
    { entry: { view: "condition", between: { from: "2024-02-30" } } },
    "entry.between.from",
    "a day such as 2024-02-29",
  ],
  [
    { entry: { view: "condition", between: { from: "2024-02-02", to: "2024-01-01" } } },
    "entry.between",
    "ends before it begins",
  ],
  [{ entry: { everyone: { on: "2024-01-01" } } }, "entry.everyone.on", "There are at."],
  [{ include: [{ veiw: "condition" }] }, "include[0]", "Did you mean 'view'?"],
  [{ include: [{ view: "x", age: { ge: 3 } }] }, "include[0]", "has to have one of view, age, sex"],
  [{ include: [{ age: { ge: 18, lt: 18 } }] }, "include[0].age", "no age lies between these two."],
  [
    { include: [{ view: "x", value: { ge: 5, gt: 5 } }] },
    "include[0].value.gt",
    "leave out either gt or ge.",
  ],
  [
    { include: [{ view: "x", value: { ge: 5, lt: 5 } }] },
    "include[0].value",
    "no number lies between these two.",
  ],
  [{ include: [{ view: "x", value: { unit: "%" } }] }, "include[0].value", "has to say eq"],
  [{ include: [{ view: "x", within: "30 days" }] }, "include[0].within", "a window such as"],
  [{ include: [{ view: "x", within: { from: 5, to: 1 } }] }, "include[0].within", "ends before it begins."],
  [{ include: [{ view: "x", pick: "latest" }] }, "include[0].pick", "say which with value."],
  [
    { include: [{ view: "x", pick: "latst", value: { ge: 1 } }] },
    "include[0].pick",
    "Did you mean 'latest'?",
  ],
  [{ include: [{ view: "x", count: { min: 3, max: 2 } }] }, "include[0].count", "max is less than min."],
  [
    { include: [{ view: "x", where: { a: { equal: 1 } } }] },
    "include[0].where.a.equal",
    "there is no such property here.",
  ],
  [
    { include: [{ anyOf: [{ view: "x" }, { sex: [] }] }] },
    "include[0].anyOf[1].sex",
    "a list with at least one item",
  ],
  [{ exclude: [{ not: { age: {} } }] }, "exclude[0].not.age", "an object with ge, lt or both"],
  [{ censor: {} }, "censor", "an object with death, afterDays, at or event"],
  [
    { conversions: [{ code: "a", from: "b", to: "c", factor: 0 }] },
    "conversions[0].factor",
    "greater than 0",
  ],
  [{ crossTables: [["gender", "stat"]] }, "crossTables[0][1]", "Did you mean 'state'?"],
  [
    {
      crossTables: [
        ["gender", "source"],
        ["gender", "index_year"],
      ],
    },
    "crossTables[1]",
    "closes a circle of tables",
  ],
  [
    { valueSets: { a: { codes: [{ system: "snomd", codes: ["1"] }] } } },
    "valueSets.a.codes[0].system",
    "Did you mean 'snomed'?",
  ],
  [{ valueSets: { a: { csv: "x,y\n1,2\n" } } }, "valueSets.a.csv", "names a column 'code'"],
  [{ valueSets: { a: { csv: "code\n" } } }, "valueSets.a", "holds no code"],
  [
    {
      valueSets: {
        a: { valueSet: { resourceType: "ValueSet", compose: { include: [{ system: "s:", filter: [] }] } } },
      },
    },
    "valueSets.a.valueSet.compose.include[0]",
    "expand the ValueSet first",
  ],
  [
    {
      valueSets: {
        a: {
          valueSet: {
            resourceType: "ValueSet",
            expansion: { total: 9, contains: [{ system: "s:", code: "1" }] },
          },
        },
      },
    },
    "valueSets.a.valueSet.expansion",
    "is a page of 1 of 9 codes",
  ],
  [{ combine: { union: ["a", "b"] } }, "valueSets", "has no rules of its own"],
];

function failure(json: unknown): LakeError {
  try {
    parseCohort(json);
  } catch (error) {
    return error as LakeError;
  }
  throw new Error("the definition was taken");
}

describe("a cohort's definition", () => {
  it.each(CASES)("that is wrong by %j is refused at %s", (change, path, text) => {
    const error = failure(JSON.parse(JSON.stringify({ ...BASE, ...change })));
    expect(error.code).toBe("cohort/bad-definition");
    expect(error.details["path"]).toBe(path);
    expect(error.message).toContain(text);
  });

  it("reads value sets from codes, CSV and FHIR, nested expansions and exclusions included", () => {
    const contains = [
      { system: "s:", code: "group", abstract: true, contains: [{ system: "s:", code: "leaf" }] },
    ];
    const compose = {
      include: [{ system: "s:" }, { system: "t:", concept: [{ code: "1" }] }],
      exclude: [{ system: "s:", concept: [{ code: "not" }] }],
    };
    const cohort = parseCohort({
      ...BASE,
      valueSets: {
        ...BASE.valueSets,
        expanded: { valueSet: { resourceType: "ValueSet", expansion: { contains } } },
        composed: { valueSet: { resourceType: "ValueSet", compose } },
        plain: { codes: [{ prefixes: ["E11"] }] },
      },
    });
    if (cohort.kind !== "rules") throw new Error("no rules");
    const { valueSets } = cohort;
    expect(valueSets.get("lab")!.codes).toEqual([
      { system: "http://loinc.org", code: "4548-4" },
      { system: "http://loinc.org", code: "59261-8" },
    ]);
    expect(valueSets.get("expanded")!.codes).toEqual([{ system: "s:", code: "leaf" }]);
    expect(valueSets.get("composed")).toEqual({
      codes: [{ system: "t:", code: "1" }],
      prefixes: [{ system: "s:", prefix: "" }],
      without: [{ system: "s:", code: "not" }],
    });
    expect(valueSets.get("plain")!.prefixes).toEqual([{ system: undefined, prefix: "E11" }]);
  });

  it("is said in English, rule by rule", () => {
    const cohort = parseCohort({
      ...BASE,
      entry: {
        view: "condition",
        in: "t2d",
        where: { verification_status: "confirmed" },
        between: { from: "2020-01-01" },
        washoutDays: 365,
      },
      include: [
        { age: { ge: 18, lt: 75 } },
        {
          name: "raised",
          view: "laboratory",
          in: "lab",
          value: { ge: 6.5, unit: "%" },
          count: { min: 2, apartDays: 90 },
          within: "-30..+90 days of index",
        },
        { view: "laboratory", in: "lab", value: { gt: 8, unit: "%" }, pick: "latest" },
      ],
      exclude: [
        {
          anyOf: [
            { sex: "male" },
            { view: "condition", where: { severity_code: { isNull: true } }, within: { to: -1 } },
          ],
        },
      ],
      censor: { death: true, afterDays: 365 },
    });
    expect(describeCohort(cohort)).toBe(
      [
        "Diabetes",
        "",
        "Persons with a record in condition with a code of t2d where verification_status 'confirmed' from 2020-01-01, with no other such record in the 365 days before; the day of the first is the index.",
        "Who all have:",
        "  1. age 18 to 74 years at the index",
        "  2. raised: at least 2 records at least 90 days apart in laboratory with a code of lab with value at least 6.5 % from 30 days before the index to 90 days after the index",
        "  3. the latest value more than 8 % in laboratory with a code of lab",
        "Without those who have:",
        "  1. (administrative sex male) or (a record in condition where severity_code missing up to 1 day before the index)",
        "Observation ends at death or 365 days after the index, whichever is first; nothing later counts.",
      ].join("\n"),
    );
    expect(ruleNames(cohort)[0]).toBe("alive and under observation at the index");
    expect(ruleNames(cohort)[2]).toBe("raised");
  });

  it("reads no property that every object inherits", () => {
    const error = failure(JSON.parse('{"title":"x","entry":{"view":"v"},"__proto__":{"a":1}}'));
    expect(error.details["path"]).toBe("__proto__");
    expect(({} as Record<string, unknown>)["a"]).toBeUndefined();
  });
});
