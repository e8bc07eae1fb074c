import fc from "fast-check";
import type { OracleRow, OracleViews } from "../oracle/cohort.js";

/** Small worlds: few persons, few codes and near dates, so that every rule meets every case. */
const PATIENTS = ["main/Patient/1", "main/Patient/2", "main/Patient/3", "other/Patient/1", "main/Patient/4"];
const LOINC = "http://loinc.org";
const SNOMED = "http://snomed.info/sct";

const pick = <T>(...values: readonly T[]): fc.Arbitrary<T> => fc.constantFrom(...values);
const rarely = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(arbitrary, { freq: 6 });

const twoDigits = (value: number): string => String(value).padStart(2, "0");
/** Dates of two years as FHIR writes them, partial ones among them, and moments within few days. */
const date: fc.Arbitrary<string> = fc
  .tuple(
    pick(2023, 2024),
    fc.integer({ min: 1, max: 12 }),
    fc.integer({ min: 1, max: 28 }),
    fc.integer({ min: 0, max: 9 }),
  )
  .map(([year, month, day, form]) => {
    if (form === 0) return String(year);
    if (form === 1) return `${year}-${twoDigits(month)}`;
    const text = `${year}-${twoDigits(form < 5 ? 3 : month)}-${twoDigits(form < 5 ? 1 + (day % 5) : day)}`;
    return form % 3 === 0 ? `${text}T${twoDigits(day % 24)}:30:00-05:00` : text;
  });
const key: fc.Arbitrary<string> = fc
  .integer({ min: 1, max: 9999 })
  .map((number) => `00000000-0000-0000-0000-${String(number).padStart(12, "0")}`);
const patient = pick(...PATIENTS, "main/Patient/unknown");

const condition = fc.record({
  key,
  patient_key: rarely(patient),
  verification_status: pick("confirmed", "confirmed", "provisional", "refuted", null),
  code_system: pick(SNOMED, "urn:local"),
  code: pick("44054006", "38341003", "44"),
  onset: rarely(date),
  recorded: rarely(date),
});

const laboratory = fc.record({
  key,
  patient_key: patient,
  status: pick("final", "final", "amended", "entered-in-error"),
  code_system: pick(LOINC, "urn:local"),
  code: pick("4548-4", "59261-8", "2345-7"),
  loinc_code: pick("4548-4", null),
  effective: rarely(date),
  value_number: rarely(fc.integer({ min: 0, max: 30 }).map((n) => n / 2)),
  unit_code: pick("g/L", "g/L", "mg/dL", "mg/dL", "mmol/mol", "ug/mL", "bogus", null),
  comparator: fc.option(pick("<", ">", ">=", "<="), { freq: 2 }).chain((one) => pick(one, null)),
});

const demographics = fc
  .tuple(
    ...PATIENTS.map((patient_key, index) =>
      fc.record({
        key: fc.constant(`00000000-0000-0000-0001-${String(index).padStart(12, "0")}`),
        patient_key: fc.constant(patient_key),
        replaced_by_key: fc
          .option(patient, { freq: 4 })
          .map((other) => (other === null || index < 2 ? null : other)),
        gender: pick("female", "male", "unknown", null),
        birth_date: pick("1980", "1994-03", "1980-02-29", "2006-03-03", null),
        deceased_date: pick(null, null, "2024-03-03T10:00:00Z", "2024"),
        state: pick("MA", "NY", null),
      }),
    ),
  )
  .chain((records) => {
    // Now and then records that replace each other in a circle.
    return fc.boolean().map((circle) => {
      if (!circle) return records;
      const [first, second, third, ...rest] = records;
      return [
        first!,
        second!,
        { ...third!, replaced_by_key: "main/Patient/4" },
        ...rest.map((record) =>
          record.patient_key === "main/Patient/4" ? { ...record, replaced_by_key: "main/Patient/3" } : record,
        ),
      ];
    });
  });

const unique = (rows: fc.Arbitrary<OracleRow>, least: number, most: number): fc.Arbitrary<OracleRow[]> =>
  fc.uniqueArray(rows, { minLength: least, maxLength: most, selector: (row) => row.key });

/** The rows of a small lake. */
export const cohortViews: fc.Arbitrary<OracleViews> = fc.record({
  patient_demographics: demographics,
  condition: unique(condition, 8, 16),
  laboratory: unique(laboratory, 16, 30),
});

const window = fc
  .tuple(fc.option(fc.integer({ min: -400, max: 50 })), fc.option(fc.integer({ min: 51, max: 400 })))
  .filter(([from, to]) => from !== null || to !== null)
  .map(([from, to]) => ({ ...(from === null ? {} : { from }), ...(to === null ? {} : { to }) }));
const near = pick<object>(
  { from: -1, to: 0 },
  { from: 0, to: 0 },
  { from: -3, to: 2 },
  "-2..+30 days of index" as unknown as object,
);
const optional = <T>(name: string, arbitrary: fc.Arbitrary<T>): fc.Arbitrary<object> =>
  fc.option(arbitrary).map((value) => (value === null ? {} : { [name]: value }));
const merged = (...parts: readonly fc.Arbitrary<object>[]): fc.Arbitrary<object> =>
  fc.tuple(...parts).map((all) => Object.assign({}, ...all) as object);

const bound = fc.integer({ min: 0, max: 15 });
/** A condition on a value, with a unit that most rows can be converted to. */
export const valueCondition: fc.Arbitrary<object> = fc
  .tuple(pick("ge", "gt", "lt", "le", "eq"), bound, pick("g/L", "mg/dL", "any"))
  .map(([operator, number, unit]) => ({ [operator]: unit === "mg/dL" ? number * 10 : number, unit }));
const conditionRows = merged(
  fc.constant({ view: "condition" }),
  optional("in", pick<unknown>("t2d", ["t2d", "prefix"], "prefix")),
  optional(
    "where",
    pick<object>(
      { verification_status: "confirmed" },
      { verification_status: { ne: "provisional" } },
      { onset: { isNull: false } },
    ),
  ),
  optional("records", pick("all", "valid")),
  optional("date", pick<unknown>("recorded", ["recorded", "onset"], "onset")),
);
const laboratoryRows = merged(
  fc.constant({ view: "laboratory" }),
  optional("in", pick<unknown>("hba1c", "loinc", ["hba1c", "t2d"])),
  optional("where", pick<object>({ status: ["final", "amended"] }, { code: { notIn: ["2345-7"] } })),
);
const timed = merged(
  optional("within", fc.oneof(window, near)),
  optional("partialDates", pick("certain", "possible")),
);
const counted = optional(
  "count",
  pick<object>(
    { min: 2 },
    { min: 2, apartDays: 1 },
    { min: 3, apartDays: 30 },
    { max: 1 },
    { min: 0, max: 0 },
    { min: 1, max: 2, apartDays: 2 },
  ),
);
const picked = fc
  .tuple(valueCondition, pick("latest", "earliest"))
  .map(([value, which]) => ({ value, pick: which }));
const leaf: fc.Arbitrary<object> = fc.oneof(
  merged(conditionRows, timed, counted),
  merged(laboratoryRows, timed, counted, optional("value", valueCondition)),
  merged(laboratoryRows, timed, picked),
  pick<object>(
    { age: { ge: 30 } },
    { age: { ge: 18, lt: 44 } },
    { age: { lt: 18 } },
    { sex: ["female", "unknown"] },
  ),
);
const rule: fc.Arbitrary<object> = fc.oneof(
  { weight: 4, arbitrary: leaf },
  {
    weight: 1,
    arbitrary: fc.oneof(
      fc.tuple(leaf, leaf).map((all) => ({ anyOf: all })),
      fc.tuple(leaf, leaf).map((all) => ({ allOf: all })),
      leaf.map((one) => ({ not: one })),
    ),
  },
);
const entry = fc.oneof(
  merged(
    conditionRows,
    optional("pick", pick("first", "last")),
    optional("washoutDays", pick(1, 30, 400)),
    optional("partialDates", pick("certain", "possible")),
    optional("between", pick<object>({ from: "2024-01-01" }, { from: "2023-03-02", to: "2024-03-03" })),
  ),
  merged(laboratoryRows, optional("value", valueCondition), optional("pick", pick("first", "last"))),
  fc.constant({ everyone: { at: "2024-03-02" } }),
);
const censor = fc
  .tuple(
    optional("death", fc.constant(true)),
    optional("afterDays", pick(0, 30, 400)),
    optional("at", pick("2024-03-02", "2024-06-30")),
    optional("event", pick<object>({ view: "condition", in: "prefix" }, { view: "laboratory" })),
  )
  .map((parts) => Object.assign({}, ...parts) as object)
  .filter((value) => Object.keys(value).length > 0);

/** Definitions over {@link cohortViews}. */
export const cohortDefinition: fc.Arbitrary<object> = merged(
  fc.constant({
    title: "generated",
    valueSets: {
      t2d: { codes: [{ system: "snomed", codes: ["44054006"] }] },
      prefix: { codes: [{ prefixes: ["44"] }] },
      hba1c: { codes: [{ system: "loinc", codes: ["4548-4", "59261-8"] }] },
      loinc: {
        valueSet: {
          resourceType: "ValueSet",
          compose: {
            include: [{ system: LOINC }],
            exclude: [{ system: LOINC, concept: [{ code: "59261-8" }] }],
          },
        },
      },
    },
    conversions: [{ code: "59261-8", from: "mmol/mol", to: "g/L", factor: 0.5, offset: 1.25 }],
  }),
  entry.map((one) => ({ entry: one })),
  fc.array(rule, { maxLength: 3 }).map((include) => ({ include })),
  fc.array(rule, { maxLength: 2 }).map((exclude) => ({ exclude })),
  optional("sources", pick(["main"], ["main", "other"], ["other"])),
  optional("censor", censor),
  optional("partialDates", pick("certain", "possible")),
);
