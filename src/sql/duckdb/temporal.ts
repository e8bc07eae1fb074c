import { stringLiteral } from "./quote.js";

/**
 * Dates and times are text in FHIR's form: `YYYY`, `YYYY-MM`, `YYYY-MM-DD`, or with `Thh:mm:ss.fff` and a zone. That form sorts by
 * text within one zone, so most of the work is cutting both sides to the precision they share.
 */

const ZONE = "(Z|[+-][0-9][0-9]:[0-9][0-9])$";

function sign(a: string, b: string): string {
  return `CASE WHEN ${a} < ${b} THEN -1 WHEN ${a} > ${b} THEN 1 ELSE 0 END`;
}

/** Compares two texts cut to the length of the shorter; equal texts of different length leave the answer open. */
function prefixCompare(a: string, b: string, aLength: string, bLength: string): string {
  const length = `least(${aLength}, ${bLength})`;
  const [x, y] = [`left(${a}, ${length})`, `left(${b}, ${length})`];
  return `CASE WHEN ${x} < ${y} THEN -1 WHEN ${x} > ${y} THEN 1 WHEN ${aLength} = ${bLength} THEN 0 END`;
}

/** The local part of a dateTime with hours: everything but the zone. */
function local(value: string): string {
  return `regexp_replace(${value}, '${ZONE}', '')`;
}

/** The moment of a dateTime with hours, to the second; without a zone it counts as UTC. Minutes and seconds default to 00. */
function moment(value: string): string {
  const filled = `left(replace(${local(value)}, 'T', ' ') || CASE length(${local(value)}) WHEN 13 THEN ':00:00' WHEN 16 THEN ':00' ELSE '' END, 19)`;
  const zone = `regexp_extract(${value}, '${ZONE}', 1)`;
  const minutes = `(CAST(substr(${zone}, 2, 2) AS INTEGER) * 60 + CAST(substr(${zone}, 5, 2) AS INTEGER))`;
  const offset = `CASE WHEN left(${zone}, 1) = '+' THEN -${minutes} WHEN left(${zone}, 1) = '-' THEN ${minutes} ELSE 0 END`;
  return `(TRY_CAST(${filled} AS TIMESTAMP) + to_minutes(${offset}))`;
}

/** Digits of the fraction of a second, padded so that they compare as text whatever their number. */
function fraction(value: string): string {
  return `rpad(regexp_extract(${value}, '\\.([0-9]+)', 1), 24, '0')`;
}

/** 1 for hours, 2 for minutes, 3 for seconds (fractions and seconds are one precision). */
function clockLevel(value: string): string {
  return `CASE length(${local(value)}) WHEN 13 THEN 1 WHEN 16 THEN 2 ELSE 3 END`;
}

function compareMoments(a: string, b: string): string {
  const [x, y] = [moment(a), moment(b)];
  const level = `least(${clockLevel(a)}, ${clockLevel(b)})`;
  const cut = (m: string): string =>
    `date_trunc(CASE ${level} WHEN 1 THEN 'hour' WHEN 2 THEN 'minute' ELSE 'second' END, ${m})`;
  return (
    `CASE WHEN ${cut(x)} < ${cut(y)} THEN -1 WHEN ${cut(x)} > ${cut(y)} THEN 1 ` +
    `WHEN ${clockLevel(a)} <> ${clockLevel(b)} THEN NULL WHEN ${level} < 3 THEN 0 ` +
    `ELSE ${sign(fraction(a), fraction(b))} END`
  );
}

/**
 * -1, 0, 1 or NULL for two dates or dateTimes. Two values with a time compare as moments; a date compares with the calendar date that a
 * dateTime writes, without moving it to another zone.
 */
export function compareDateTimes(a: string, b: string): string {
  return (
    `CASE WHEN ${a} = ${b} THEN 0 ` +
    `WHEN length(${a}) <= 10 OR length(${b}) <= 10 THEN ${prefixCompare(a, b, `length(${a})`, `length(${b})`)} ` +
    `WHEN ${a} IS NOT NULL AND ${b} IS NOT NULL THEN ${compareMoments(a, b)} END`
  );
}

/** {@link compareDateTimes} with a constant of date precision on the right, the usual case. */
export function compareWithDate(a: string, constant: string): string {
  const date = stringLiteral(constant);
  const length = String(constant.length);
  return (
    `CASE WHEN length(${a}) >= ${length} THEN CASE WHEN left(${a}, ${length}) < ${date} THEN -1 ` +
    `WHEN left(${a}, ${length}) > ${date} THEN 1 WHEN length(${a}) = ${length} THEN 0 END ` +
    `WHEN ${a} < left(${date}, length(${a})) THEN -1 WHEN ${a} > left(${date}, length(${a})) THEN 1 END`
  );
}

/** -1, 0, 1 or NULL for two times of day. */
export function compareTimes(a: string, b: string): string {
  const padded = (t: string): string =>
    `rpad(CASE WHEN length(${t}) = 8 THEN ${t} || '.' ELSE ${t} END, 24, '0')`;
  return (
    `CASE WHEN ${a} = ${b} THEN 0 WHEN length(${a}) >= 8 AND length(${b}) >= 8 THEN ${sign(padded(a), padded(b))} ` +
    `WHEN ${a} IS NOT NULL AND ${b} IS NOT NULL THEN ${prefixCompare(a, b, `length(${a})`, `length(${b})`)} END`
  );
}

type Side = "low" | "high";

const LAST_DAY = (month: string): string =>
  `strftime(last_day(TRY_CAST(${month} || '-01' AS DATE)), '%Y-%m-%d')`;

/** The first or last day of a year, month or day. */
function fullDate(value: string, side: Side): string {
  return side === "low"
    ? `CASE length(${value}) WHEN 4 THEN ${value} || '-01-01' WHEN 7 THEN ${value} || '-01' ELSE ${value} END`
    : `CASE length(${value}) WHEN 4 THEN ${value} || '-12-31' WHEN 7 THEN ${LAST_DAY(value)} ELSE ${value} END`;
}

/** The boundary of a date; precision is 4, 6 or 8 digits, anything else gives NULL. */
export function dateBoundary(value: string, side: Side, precision: string | undefined): string {
  const full = fullDate(value, side);
  if (precision === undefined) return full;
  return ofDigits(precision, { 4: `left(${full}, 4)`, 6: `left(${full}, 7)`, 8: full });
}

/** A time filled up to milliseconds; digits beyond milliseconds stay. */
function fullClock(clock: string, side: Side): string {
  const [minutes, millis, pad] = side === "low" ? [":00", ".000", "0"] : [":59", ".999", "9"];
  return (
    `CASE length(${clock}) WHEN 2 THEN ${clock} || '${minutes}${minutes}${millis}' WHEN 5 THEN ${clock} || '${minutes}${millis}' ` +
    `WHEN 8 THEN ${clock} || '${millis}' WHEN 10 THEN ${clock} || '${pad}${pad}' WHEN 11 THEN ${clock} || '${pad}' ELSE ${clock} END`
  );
}

/** The boundary of a time of day; precision is 2, 4, 6 or 9 digits. */
export function timeBoundary(value: string, side: Side, precision: string | undefined): string {
  const full = fullClock(value, side);
  if (precision === undefined) return full;
  return ofDigits(precision, {
    2: `left(${full}, 2)`,
    4: `left(${full}, 5)`,
    6: `left(${full}, 8)`,
    9: full,
  });
}

/** What is not written of the earliest and of the latest moment; what is, stands before it. */
const UNWRITTEN = { low: "0000-00-00T00:00:00.000", high: "0000-00-00T23:59:59.999" } as const;

/** A dateTime without its zone, from hours on, filled up to milliseconds; digits beyond milliseconds stay. */
function filled(value: string, side: Side): string {
  return `${value} || substr('${UNWRITTEN[side]}', length(${value}) + 1)`;
}

/**
 * The boundary of a dateTime; precision is 4, 6, 8, 10, 12, 14 or 17 digits, anything else gives NULL. A value without a zone is bounded by
 * the zones in which it comes first (+14:00) and last (-12:00).
 */
export function dateTimeBoundary(value: string, side: Side, precision: string | undefined): string {
  const length = `length(${value})`;
  const zoneless = side === "low" ? "+14:00" : "-12:00";
  const zone = `coalesce(nullif(regexp_extract(${value}, '${ZONE}', 1), ''), '${zoneless}')`;
  const [midnight, fraction] = [UNWRITTEN[side].slice(10), UNWRITTEN[side].slice(19)];
  const date = `CASE WHEN ${length} > 10 THEN left(${value}, 10) ELSE ${fullDate(value, side)} END`;
  const timed = filled(local(value), side);
  const dated = `(${fullDate(value, side)}) || '${midnight}'`;
  const cut = (to: number): string =>
    `CASE WHEN ${length} > 10 THEN left(${timed}, ${to}) || ${zone} ELSE left(${dated}, ${to}) || '${zoneless}' END`;
  // Dates, and times to the second with a zone, are what sources write: these need no pattern, or one.
  const whole =
    `CASE WHEN ${length} = 20 AND right(${value}, 1) = 'Z' THEN left(${value}, 19) || '${fraction}Z' ` +
    `WHEN ${length} = 25 AND substr(${value}, 20, 1) <> '.' AND regexp_matches(${value}, '${ZONE}') THEN left(${value}, 19) || '${fraction}' || right(${value}, 6) ` +
    `WHEN ${length} = 10 THEN ${value} || '${midnight}${zoneless}' ` +
    `WHEN ${length} > 10 THEN ${timed} || ${zone} ELSE ${dated} || '${zoneless}' END`;
  if (precision === undefined) return whole;
  const byDigits: Readonly<Record<string, string>> = {
    4: `left(${date}, 4)`,
    6: `left(${date}, 7)`,
    8: date,
    10: cut(13),
    12: cut(16),
    14: cut(19),
    17: whole,
  };
  return ofDigits(precision, byDigits);
}

/** What stands for a number of digits, chosen here where it is a constant, as it mostly is, so that the engine need not plan the others. */
function ofDigits(precision: string, byDigits: Readonly<Record<string, string>>): string {
  if (/^\d+$/.test(precision)) return byDigits[precision] ?? "CAST(NULL AS VARCHAR)";
  const branches = Object.entries(byDigits).map(([digits, sql]) => `WHEN ${digits} THEN ${sql}`);
  return `CASE ${precision} ${branches.join(" ")} END`;
}

const PARTS: Readonly<Record<string, readonly [start: number, length: number]>> = {
  year: [1, 4],
  month: [6, 2],
  day: [9, 2],
  hour: [12, 2],
  minute: [15, 2],
  second: [18, 2],
  millisecond: [21, 3],
};

/** A part of a date, dateTime or time as an integer, NULL when it is not written. */
export function temporalPart(value: string, part: string): string {
  const [start, length] = PARTS[part]!;
  const isTime = `substr(${value}, 3, 1) = ':' OR length(${value}) = 2`;
  const inTime = start < 12 ? "NULL" : `substr(${local(value)}, ${start - 11}, ${length})`;
  const inDate =
    start < 12 ? `substr(${value}, ${start}, ${length})` : `substr(${local(value)}, ${start}, ${length})`;
  const found = `CASE WHEN ${isTime} THEN ${inTime} ELSE ${inDate} END`;
  const digits = part === "millisecond" ? `rpad(nullif(${found}, ''), 3, '0')` : found;
  return `TRY_CAST(${digits} AS INTEGER)`;
}

/** Calendar units from coarse to fine, with how many of each make one of the unit before. */
const UNITS = ["year", "month", "day", "hour", "minute", "second"] as const;
const PER_COARSER = [1, 12, 30, 24, 60, 60] as const;

/** Counts that surely leave the calendar's 9999 years, and the range of the engine's types. */
const LARGEST_COUNT = [9_999, 119_988, 3_652_059, 87_649_416, 2_147_483_647, 2_147_483_647] as const;

/** A count of a fine unit as whole coarser ones, fractions cut off; days become years by 365, everything else step by step. */
function coarser(count: string, from: number, to: number): string {
  if (from === 2 && to === 0) return `trunc(${count} / 365)`;
  let result = count;
  for (let at = from; at > to; at--) result = `trunc(${result} / ${PER_COARSER[at]})`;
  return result;
}

function interval(count: string, unit: number): string {
  return `to_${UNITS[unit]}s(CAST(${count} AS INTEGER))`;
}

/**
 * A date or dateTime moved by a number of units, with the precision it had: units finer than that are first rounded towards zero, and
 * days past the end of a month become its last day. NULL for units that are none.
 */
export function addTemporal(value: string, amount: string, unit: string): string {
  const week = unit === "week";
  const at = week ? 2 : UNITS.findIndex((name) => name === unit || (unit === "s" && name === "second"));
  if (at < 0) return "CAST(NULL AS VARCHAR)";
  const count = `trunc(CAST(${amount} AS DOUBLE))${week ? " * 7" : ""}`;
  const by = (precision: number): string =>
    at > precision ? interval(coarser(count, at, precision), precision) : interval(count, at);
  const written = (moment: string, format: string): string =>
    `CASE WHEN ${moment} BETWEEN TIMESTAMP '0001-01-01' AND TIMESTAMP '9999-12-31 23:59:59' THEN strftime(${moment}, '${format}') END`;
  const date = (precision: number): string =>
    written(`(TRY_CAST(${fullDate(value, "low")} AS DATE) + ${by(precision)})`, "%Y-%m-%d");
  const stamp = written(
    `(TRY_CAST(replace(left(${value}, 19), 'T', ' ') AS TIMESTAMP) + ${by(5)})`,
    "%Y-%m-%dT%H:%M:%S",
  );
  return (
    `CASE WHEN abs(${count}) > ${LARGEST_COUNT[at]} THEN NULL WHEN length(${value}) = 4 THEN left((${date(0)}), 4) WHEN length(${value}) = 7 THEN left((${date(1)}), 7) ` +
    `WHEN length(${value}) = 10 THEN ${date(2)} ELSE (${stamp}) || substr(${value}, 20) END`
  );
}

/** The ends of what usual readers of timestamps can hold. */
const FIRST_MOMENT = "0001-01-01 00:00:00";
const LAST_MOMENT = "9999-12-31 23:59:59.999";

/** Texts up to this length are written several times rather than bound. */
const SHORT = 60;

/**
 * A dateTime as the engine's timestamp, NULL for text of another form. A leap second is the second after it, as POSIX counts; moments
 * that a zone moves out of the years 1 to 9999 become the first or last moment of these.
 */
export function momentCast(value: string, type: string): string {
  const [first, last] = [FIRST_MOMENT, LAST_MOMENT].map(
    (moment) => `CAST(${stringLiteral(type.includes("ZONE") ? `${moment}+00` : moment)} AS ${type})`,
  );
  const moment = (text: string): string => `TRY_CAST(${text} AS ${type})`;
  const cast = (k: string): string =>
    `CASE WHEN substr(${k}, 18, 2) = '60' THEN ${moment(`left(${k}, 17) || '59' || substr(${k}, 20)`)} + INTERVAL 1 SECOND ` +
    `WHEN left(${k}, 4) IN ('0001', '9999') THEN CASE WHEN ${moment(k)} > ${last} THEN ${last} WHEN ${moment(k)} < ${first} THEN ${first} ELSE ${moment(k)} END ` +
    `ELSE ${moment(k)} END`;
  if (value.length <= SHORT) return `(${cast(value)})`;
  return `list_extract(list_transform([${value}], lambda k: ${cast("k")}), 1)`;
}
