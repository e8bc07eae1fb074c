import type { ColumnType } from "#duckdb";
import { badValue } from "./errors.js";

/** Text that CAST to the column's type accepts, checked here so that the engine never has to refuse it. */
type Check = (text: string) => boolean;

interface Form {
  /** Completes "a value that is not …". */
  readonly expected: string;
  readonly accepts: Check;
}

const integerRange = (bits: number, signed: boolean): readonly [bigint, bigint] =>
  signed ? [-(2n ** BigInt(bits - 1)), 2n ** BigInt(bits - 1) - 1n] : [0n, 2n ** BigInt(bits) - 1n];

function integerForm(bits: number, signed: boolean): Form {
  const [low, high] = integerRange(bits, signed);
  return {
    expected: `a whole number from ${low} to ${high}`,
    accepts: (text) => /^-?\d{1,39}$/.test(text) && BigInt(text) >= low && BigInt(text) <= high,
  };
}

function decimalForm(width: number, scale: number): Form {
  return {
    expected: `a decimal number with at most ${width - scale} digits before and ${scale} after the point, such as 12.5`,
    accepts: (text) => {
      const match = /^-?(\d+)(?:\.(\d+))?$/.exec(text);
      if (match === null) return false;
      const whole = match[1]!.replace(/^0+/, "");
      return whole.length <= width - scale && (match[2] ?? "").length <= scale;
    },
  };
}

/** True for a day of the proleptic Gregorian calendar, years 0001 to 9999. */
function isDay(text: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text) || text.startsWith("0000")) return false;
  const day = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(day.getTime()) && day.toISOString().startsWith(text);
}

const timePattern = /^([01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,9})?)?$/;
const zonePattern = /(?:Z|[+-](?:0\d|1[0-4]):[0-5]\d)$/;

function isInstant(text: string, zone: boolean): boolean {
  const [day, time, ...rest] = text.split("T");
  if (day === undefined || time === undefined || rest.length > 0 || !isDay(day)) return false;
  if (!zone) return timePattern.test(time);
  return zonePattern.test(time) && timePattern.test(time.replace(zonePattern, ""));
}

const number = /^-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?$/;
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

function form(type: ColumnType): Form {
  switch (type.kind) {
    case "boolean":
      return { expected: "true or false", accepts: (text) => text === "true" || text === "false" };
    case "integer":
      return integerForm(type.bits, type.signed);
    case "decimal":
      return decimalForm(type.width, type.scale);
    case "double":
    case "float":
      return {
        expected: "a number, such as 12.5",
        accepts: (text) => number.test(text) && Number.isFinite(Number(text)),
      };
    case "date":
      return { expected: "a date, such as 1980-01-31", accepts: isDay };
    case "timestamp":
      return type.zone
        ? {
            expected: "an instant with a time zone, such as 2026-01-31T13:45:00Z (write + as %2B in a URL)",
            accepts: (text) => isInstant(text, true),
          }
        : {
            expected: "a date and time, such as 2026-01-31T13:45:00",
            accepts: (text) => isInstant(text, false),
          };
    case "uuid":
      return { expected: "a UUID", accepts: (text) => uuid.test(text) };
    default:
      return { expected: "text without the NUL character", accepts: (text) => !text.includes("\0") };
  }
}

/**
 * `text` itself, once it is known to be a value of the column's type. Text columns take any text but NUL, the empty text
 * included. Fails with `query/bad-value`, naming the column and the expected form but never the value.
 */
export function checkValue(column: string, type: ColumnType, text: string): string {
  const { expected, accepts } = form(type);
  if (!accepts(text)) throw badValue(column, expected);
  return text;
}
