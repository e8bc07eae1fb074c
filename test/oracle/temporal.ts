/**
 * Partial dates and times, compared and bounded as FHIRPath and the SQL on FHIR digest say. A missing zone is read as
 * UTC; seconds and their fraction are one precision.
 */

export type TemporalKind = "date" | "dateTime" | "time";

export interface Temporal {
  readonly kind: TemporalKind;
  readonly text: string;
  /** Year, month, day, hour, minute (as many as written); hour and minute only for a time. */
  readonly fields: readonly number[];
  /** Seconds with their fraction, as digits without the point and the number of fraction digits. */
  readonly seconds: { readonly coefficient: bigint; readonly scale: number } | undefined;
  /** Minutes east of UTC; undefined when no zone is written. */
  readonly zoneMinutes: number | undefined;
}

const dateTimePattern =
  /^(\d{4})(?:-(\d{2})(?:-(\d{2})(?:T(\d{2})(?::(\d{2})(?::(\d{2})(?:\.(\d+))?)?)?(Z|[+-]\d{2}:\d{2})?)?)?)?$/;
const timePattern = /^T?(\d{2})(?::(\d{2})(?::(\d{2})(?:\.(\d+))?)?)?$/;

function zoneOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (text === "Z") return 0;
  const minutes = Number(text.slice(1, 3)) * 60 + Number(text.slice(4, 6));
  return text.startsWith("-") ? -minutes : minutes;
}

function secondsOf(whole: string | undefined, fraction: string | undefined): Temporal["seconds"] {
  if (whole === undefined) return undefined;
  return { coefficient: BigInt(whole + (fraction ?? "")), scale: (fraction ?? "").length };
}

/** Parses FHIR's or FHIRPath's lexical form; undefined when `text` is not of it. */
export function parseTemporal(text: string, kind: TemporalKind): Temporal | undefined {
  const numbers = (parts: readonly (string | undefined)[]): number[] =>
    parts.filter((part) => part !== undefined).map(Number);
  if (kind === "time") {
    const match = timePattern.exec(text);
    if (match === null) return undefined;
    const fields = numbers([match[1], match[2]]);
    return { kind, text, fields, seconds: secondsOf(match[3], match[4]), zoneMinutes: undefined };
  }
  // A literal of type dateTime without a time is written with a bare T, which is no part of the value.
  const written = text.replace(/T$/, "");
  const match = dateTimePattern.exec(written);
  if (match === null) return undefined;
  const fields = numbers([match[1], match[2], match[3], match[4], match[5]]);
  return {
    kind,
    text: written,
    fields,
    seconds: secondsOf(match[6], match[7]),
    zoneMinutes: zoneOf(match[8]),
  };
}

/** The fields moved to UTC. Values without a time part, or without minutes, are already taken as UTC. */
function normalized(value: Temporal): readonly number[] {
  const zone = value.zoneMinutes ?? 0;
  const [year, month, day, hour, minute] = value.fields;
  if (zone === 0 || hour === undefined || value.kind === "time") return value.fields;
  const moved = new Date(Date.UTC(year!, month! - 1, day!, hour, (minute ?? 0) - zone));
  moved.setUTCFullYear(moved.getUTCFullYear());
  const fields = [
    moved.getUTCFullYear(),
    moved.getUTCMonth() + 1,
    moved.getUTCDate(),
    moved.getUTCHours(),
    moved.getUTCMinutes(),
  ];
  return fields.slice(0, value.fields.length);
}

function compareSeconds(a: NonNullable<Temporal["seconds"]>, b: NonNullable<Temporal["seconds"]>): number {
  const scale = Math.max(a.scale, b.scale);
  const x = a.coefficient * 10n ** BigInt(scale - a.scale);
  const y = b.coefficient * 10n ** BigInt(scale - b.scale);
  return x < y ? -1 : x > y ? 1 : 0;
}

/**
 * Negative, zero or positive; undefined when the two agree as far as the less precise one goes, and one goes further.
 * Throws nothing: a time and a date are never passed together.
 */
export function compareTemporals(a: Temporal, b: Temporal): number | undefined {
  // A date compares with the calendar date that is written, not with that date in another zone.
  const moments = a.kind === "time" || (a.fields.length > 3 && b.fields.length > 3);
  const [x, y] = moments ? [normalized(a), normalized(b)] : [a.fields, b.fields];
  for (let i = 0; i < Math.max(x.length, y.length); i++) {
    const [p, q] = [x[i], y[i]];
    if (p === undefined || q === undefined) return undefined;
    if (p !== q) return p - q;
  }
  if (a.seconds === undefined && b.seconds === undefined) return 0;
  if (a.seconds === undefined || b.seconds === undefined) return undefined;
  return compareSeconds(a.seconds, b.seconds);
}

const two = (n: number): string => String(n).padStart(2, "0");

function daysInMonth(year: number, month: number): number {
  return new Date(Date.UTC(year, month, 0)).getUTCDate();
}

function milliseconds(value: Temporal, high: boolean): string {
  if (value.seconds === undefined) return high ? "59.999" : "00.000";
  const digits = value.seconds.coefficient.toString().padStart(value.seconds.scale + 2, "0");
  const whole = digits.slice(0, digits.length - value.seconds.scale);
  const fraction = digits.slice(digits.length - value.seconds.scale);
  return `${whole}.${fraction.padEnd(3, high ? "9" : "0")}`;
}

/** Lengths of the written forms, by number of digits asked for. */
const cuts: Record<TemporalKind, Record<number, number>> = {
  date: { 4: 4, 6: 7, 8: 10 },
  dateTime: { 4: 4, 6: 7, 8: 10, 10: 13, 12: 16, 14: 19, 17: 23 },
  time: { 2: 2, 4: 5, 6: 8, 9: 12 },
};

function zoneText(value: Temporal, high: boolean): string {
  return /(Z|[+-]\d{2}:\d{2})$/.exec(value.text.slice(10))?.[0] ?? (high ? "-12:00" : "+14:00");
}

/**
 * The earliest (or, with `high`, latest) moment that `value` may mean, to the millisecond (finer only if it is written so)
 * or at `precision` digits; undefined for a number of digits that the kind does not have.
 */
export function boundaryOf(
  value: Temporal,
  high: boolean,
  precision: number | undefined,
): string | undefined {
  const full = { date: 8, dateTime: 17, time: 9 }[value.kind];
  const digits = precision ?? full;
  const cut = precision === undefined && value.kind !== "date" ? 99 : cuts[value.kind][digits];
  if (cut === undefined) return undefined;
  if (value.kind === "time") {
    const [hour, minute] = value.fields;
    return `${two(hour!)}:${two(minute ?? (high ? 59 : 0))}:${milliseconds(value, high)}`.slice(0, cut);
  }
  const [year, writtenMonth, writtenDay, hour, minute] = value.fields;
  const month = writtenMonth ?? (high ? 12 : 1);
  const day = writtenDay ?? (high ? daysInMonth(year!, month) : 1);
  const date = `${String(year).padStart(4, "0")}-${two(month)}-${two(day)}`;
  if (value.kind === "date" || cut <= 10) return date.slice(0, cut);
  const time = `${two(hour ?? (high ? 23 : 0))}:${two(minute ?? (high ? 59 : 0))}:${milliseconds(value, high)}`;
  return `${`${date}T${time}`.slice(0, cut)}${zoneText(value, high)}`;
}

/** Calendar units by position of the field they move; weeks are days. */
const unitFields = ["year", "month", "day", "hour", "minute", "second"] as const;
/** How many of a unit make one of the next coarser, as FHIRPath rounds partial dates. */
const perCoarser = [1, 12, 30, 24, 60, 60];

interface Amount {
  readonly field: number;
  readonly count: number;
}

function amountOf(count: number, unit: string): Amount | undefined {
  const name = unit.replace(/s$/, "");
  if (name === "week") return { field: 2, count: count * 7 };
  const field = unitFields.indexOf(name as (typeof unitFields)[number]);
  return field < 0 ? undefined : { field, count };
}

/** The amount in a coarser unit, fractions cut off: days to years go by 365, everything else step by step. */
function coarser(amount: Amount, field: number): number {
  let count = amount.count;
  let at = amount.field;
  if (at === 2 && field === 0) return Math.trunc(count / 365);
  while (at > field) {
    count = Math.trunc(count / perCoarser[at]!);
    at -= 1;
  }
  return count;
}

function movedDate(value: Temporal, amount: Amount): string | undefined {
  const last = value.seconds === undefined ? value.fields.length - 1 : 5;
  const [year, month, day, hour, minute] = value.fields;
  const field = Math.min(amount.field, last);
  const count = amount.field > last ? coarser(amount, last) : amount.count;
  const months = field === 0 ? count * 12 : field === 1 ? count : 0;
  const total = year! * 12 + (month ?? 1) - 1 + months;
  const [newYear, newMonth] = [Math.floor(total / 12), (total % 12) + 1];
  const clipped = Math.min(day ?? 1, daysInMonth(newYear, newMonth));
  const unitMs = [0, 0, 86_400_000, 3_600_000, 60_000, 1000][field]!;
  const start = Date.UTC(newYear, newMonth - 1, clipped, hour ?? 0, minute ?? 0, Number(wholeSeconds(value)));
  const moved = new Date(start + count * unitMs).toISOString();
  const written = [4, 7, 10, 13, 16][value.fields.length - 1]!;
  if (value.seconds === undefined) return `${moved.slice(0, written)}${zoneOnly(value)}`;
  return `${moved.slice(0, 19)}${fractionText(value)}${zoneOnly(value)}`;
}

function wholeSeconds(value: Temporal): string {
  return (
    /:(\d{2})(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2})?$/.exec(value.seconds === undefined ? "" : value.text)?.[1] ??
    "0"
  );
}

function fractionText(value: Temporal): string {
  return /\.\d+/.exec(value.text)?.[0] ?? "";
}

function zoneOnly(value: Temporal): string {
  return value.fields.length < 4 ? "" : (/(Z|[+-]\d{2}:\d{2})$/.exec(value.text)?.[0] ?? "");
}

/**
 * A date or dateTime moved by a number of calendar units; days past the end of a month become its last day, and units
 * finer than the value are first rounded towards zero. Undefined for units that are none, or that a date does not have.
 */
export function moveTemporal(value: Temporal, count: number, unit: string): string | undefined {
  const amount = amountOf(count, unit);
  return amount === undefined || value.kind === "time" ? undefined : movedDate(value, amount);
}
