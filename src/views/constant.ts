import { ExactNumber } from "#kernel";

/** Types that a constant may have; its property is `value` and the type with a capital (SQL on FHIR, constant.value[x]). */
export const CONSTANT_TYPES: readonly string[] = [
  "base64Binary",
  "boolean",
  "canonical",
  "code",
  "date",
  "dateTime",
  "decimal",
  "id",
  "instant",
  "integer",
  "integer64",
  "oid",
  "string",
  "positiveInt",
  "time",
  "unsignedInt",
  "uri",
  "url",
  "uuid",
];

/** Forms of dates and times (FHIR data types); a constant of another form would never equal anything. */
const DATE = "\\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\\d|3[01]))?)?";
const CLOCK = "([01]\\d|2[0-3]):[0-5]\\d:([0-5]\\d|60)(\\.\\d+)?";
const ZONE = "(Z|[+-](0\\d|1[0-4]):[0-5]\\d)";
const TEMPORAL_FORMS: ReadonlyMap<string, RegExp> = new Map([
  ["date", new RegExp(`^${DATE}$`)],
  ["dateTime", new RegExp(`^(${DATE}|\\d{4}-\\d{2}-\\d{2}T${CLOCK}${ZONE}?)$`)],
  ["instant", new RegExp(`^\\d{4}-\\d{2}-\\d{2}T${CLOCK}${ZONE}$`)],
  ["time", new RegExp(`^${CLOCK}$`)],
]);

/** The least integer that a type has; the greatest is 2^31 - 1 for all. */
const LEAST_INTEGER: ReadonlyMap<string, number> = new Map([
  ["integer", -(2 ** 31)],
  ["unsignedInt", 0],
  ["positiveInt", 1],
]);

/** A JSON number by its digits, or undefined for anything else. A number parsed by JavaScript may have lost some already. */
function numberText(value: unknown): string | undefined {
  if (value instanceof ExactNumber) return value.text;
  return typeof value === "number" && Number.isFinite(value) ? decimalText(value) : undefined;
}

function integerText(type: string, value: unknown): string | undefined {
  const text = numberText(value);
  if (text === undefined || !/^-?\d{1,10}$/.test(text)) return undefined;
  return Number(text) >= LEAST_INTEGER.get(type)! && Number(text) < 2 ** 31 ? text : undefined;
}

/** A constant's value as written, or undefined when JSON of another type, or another form, stands there. */
export function constantText(type: string, value: unknown): string | undefined {
  switch (type) {
    case "boolean":
      return typeof value === "boolean" ? String(value) : undefined;
    case "integer":
    case "positiveInt":
    case "unsignedInt":
      return integerText(type, value);
    case "integer64": {
      // FHIR writes 64-bit integers as JSON strings; a number is plain enough.
      const text = typeof value === "string" ? value : numberText(value);
      return text !== undefined && /^-?\d{1,19}$/.test(text) ? text : undefined;
    }
    case "decimal":
      return numberText(value);
    default: {
      const form = TEMPORAL_FORMS.get(type);
      return typeof value === "string" && (form === undefined || form.test(value)) ? value : undefined;
    }
  }
}

/** A number without an exponent where JavaScript would write one. */
function decimalText(value: number): string {
  const text = String(value);
  return text.includes("e") ? value.toFixed(20).replace(/\.?0+$/, "") : text;
}
