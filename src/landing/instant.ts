/**
 * FHIR `instant` text as a point in time. Numbers, not Date: a Date has milliseconds, instants are written with up to
 * nine digits and more, and the order of two versions may hang on them.
 */
export interface Instant {
  /** Whole seconds since 1970-01-01T00:00:00Z; negative before it. */
  readonly seconds: number;
  /** 0 to 999,999,999; always counted forward from `seconds`. */
  readonly nanos: number;
}

const SHAPE = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:Z|([+-])(\d\d):(\d\d))$/;

/** Days from 1970-01-01 to a proleptic Gregorian date; years are counted from March so that leap days come last. */
function daysSinceEpoch(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

function daysInMonth(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

function offsetSeconds(sign: string | undefined, hours: number, minutes: number): number | undefined {
  if (sign === undefined) return 0;
  if (minutes > 59 || hours > 14 || (hours === 14 && minutes > 0)) return undefined;
  return (sign === "-" ? -1 : 1) * (hours * 3600 + minutes * 60);
}

/**
 * The point in time a FHIR `instant` names, or undefined when the text is not one (no zone, no seconds, a day that
 * does not exist, an offset beyond 14:00). Offsets may have any minutes. Digits after the ninth are cut off. A leap
 * second (`:60`) is the first second of the next minute, as in POSIX time. Source: FHIR R4, datatypes, instant.
 */
export function parseInstant(text: string): Instant | undefined {
  const parts = SHAPE.exec(text);
  if (parts === null) return undefined;
  const [year, month, day, hour, minute, second] = parts.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  if (year < 1 || month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)) return undefined;
  if (hour > 23 || minute > 59 || second > 60) return undefined;
  const offset = offsetSeconds(parts[8], Number(parts[9]), Number(parts[10]));
  if (offset === undefined) return undefined;
  const seconds = daysSinceEpoch(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset;
  const nanos = parts[7] === undefined ? 0 : Number(parts[7].slice(0, 9).padEnd(9, "0"));
  return { seconds, nanos };
}

/** Nanoseconds since 1970-01-01T00:00:00Z of a FHIR `instant`, or undefined when the text is not one. */
export function instantNs(text: string): bigint | undefined {
  const instant = parseInstant(text);
  return instant && BigInt(instant.seconds) * 1_000_000_000n + BigInt(instant.nanos);
}

const U32 = 2 ** 32;

/**
 * Nanoseconds since the epoch as 16 hex digits, clamped to the range of u64 (before 1970 is all zeros, from
 * 2554-07-21 on all f), so that the digits compare as the points in time do. Plain number arithmetic on two halves,
 * because this runs once per resource and BigInt would be a large part of its cost.
 */
export function instantHex(instant: Instant): string {
  if (instant.seconds < 0) return "0000000000000000";
  const upper = Math.floor(instant.seconds / 65_536) * 1e9;
  const lower = (upper % 65_536) * 65_536 + (instant.seconds % 65_536) * 1e9 + instant.nanos;
  const high = Math.floor(upper / 65_536) + Math.floor(lower / U32);
  if (high >= U32) return "ffffffffffffffff";
  return high.toString(16).padStart(8, "0") + (lower % U32).toString(16).padStart(8, "0");
}

/** The instant of a millisecond time stamp such as `Date.getTime()`. */
export function instantOfMs(ms: number): Instant {
  const seconds = Math.floor(ms / 1000);
  return { seconds, nanos: Math.round((ms - seconds * 1000) * 1e6) };
}
