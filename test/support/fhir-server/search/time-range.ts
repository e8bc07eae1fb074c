import { FhirRefusal } from "../outcome.js";

/** A time as FHIR writes it: every moment from `low` up to, not including, `high` (milliseconds since 1970). */
export interface TimeRange {
  readonly low: number;
  readonly high: number;
}

const TIME = /^(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d:\d\d)?)?)?)?$/;

/**
 * The range that a date or time of any precision stands for (FHIR search, date parameters); without an offset it is read as UTC.
 * Fractions finer than milliseconds are one millisecond wide.
 */
export function timeRange(value: string): TimeRange {
  const match = TIME.exec(value);
  if (match === null) throw new FhirRefusal(400, "value", "This is no date or time.");
  const [, year, month, day, hour, minute, second, fraction, offset] = match;
  const start = (y: number, m: number, d = 1, h = 0, min = 0, s = 0, ms = 0) =>
    Date.UTC(y, m, d, h, min, s, ms) - offsetMs(offset);
  const y = Number(year);
  const m = Number(month ?? 1) - 1;
  const d = Number(day ?? 1);
  if (month === undefined) return { low: start(y, 0), high: start(y + 1, 0) };
  if (day === undefined) return { low: start(y, m), high: start(y, m + 1) };
  if (hour === undefined) return { low: start(y, m, d), high: start(y, m, d + 1) };
  const h = Number(hour);
  const min = Number(minute);
  if (second === undefined) return { low: start(y, m, d, h, min), high: start(y, m, d, h, min + 1) };
  const s = Number(second);
  if (fraction === undefined) return { low: start(y, m, d, h, min, s), high: start(y, m, d, h, min, s + 1) };
  const step = fraction.length >= 3 ? 1 : 10 ** (3 - fraction.length);
  const ms = Number(fraction.slice(0, 3).padEnd(3, "0"));
  return { low: start(y, m, d, h, min, s, ms), high: start(y, m, d, h, min, s, ms + step) };
}

function offsetMs(offset: string | undefined): number {
  if (offset === undefined || offset === "Z") return 0;
  const minutes = Number(offset.slice(1, 3)) * 60 + Number(offset.slice(4, 6));
  return (offset.startsWith("-") ? -minutes : minutes) * 60_000;
}

/** An instant: a time with seconds and an offset, as parameters such as `_since` demand it. Milliseconds since 1970. */
export function instantValue(name: string, value: string): number {
  if (!/T\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/.test(value))
    throw new FhirRefusal(400, "value", `${name} must be an instant: date, time with seconds, and offset.`);
  return timeRange(value).low;
}

/**
 * The test of stored times that a date parameter such as `ge2026-01-01` stands for (R4 search 3.1.1.5.3, prefixes). The parameter is read
 * once, so that it may be put to a million resources, and so that a bad one is refused also when there is nothing to compare it with.
 */
export function timeTest(parameter: string): (stored: TimeRange) => boolean {
  const [, prefix = "eq", text = ""] = /^(eq|ne|gt|lt|ge|le|sa|eb|ap)?(.*)$/s.exec(parameter) ?? [];
  const wanted = timeRange(text);
  return (stored) => meets(stored, prefix, wanted);
}

function meets(stored: TimeRange, prefix: string, wanted: TimeRange): boolean {
  const within = stored.low >= wanted.low && stored.high <= wanted.high;
  switch (prefix) {
    case "ne":
      return !within;
    case "gt":
      return stored.high > wanted.high;
    case "lt":
      return stored.low < wanted.low;
    case "ge":
      return within || stored.high > wanted.high;
    case "le":
      return within || stored.low < wanted.low;
    case "sa":
      return stored.low >= wanted.high;
    case "eb":
      return stored.high <= wanted.low;
    case "ap":
      return stored.low < wanted.high + 86_400_000 && stored.high > wanted.low - 86_400_000;
    default:
      return within;
  }
}
