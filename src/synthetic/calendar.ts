/**
 * Time in the generated records: whole seconds since 1970 (UTC), written in the local time of the US East coast,
 * where the population lives. Days are counted from 1970-01-01; earlier ones are negative.
 */

/** Seconds of one day. */
export const DAY = 86_400;
/** Seconds of a mean Gregorian year. */
export const YEAR = 31_556_952;

/** The number of days from 1970-01-01 to a civil date (proleptic Gregorian; month and day from 1). */
export function dayOf(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

/** Year, month and day of a day number: the inverse of {@link dayOf}. */
export function civilOf(dayNumber: number): { year: number; month: number; day: number } {
  const z = dayNumber + 719_468;
  const era = Math.floor(z / 146_097);
  const dayOfEra = z - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const mp = Math.floor((5 * dayOfYear + 2) / 153);
  const month = mp < 10 ? mp + 3 : mp - 9;
  return {
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    day: dayOfYear - Math.floor((153 * mp + 2) / 5) + 1,
  };
}

/** The day number of the n-th Sunday of a month (n from 1), or of its last Sunday (n = -1). */
function sundayOf(year: number, month: number, n: number): number {
  const first = dayOf(year, month, 1);
  // 1970-01-01 was a Thursday, so day 3 was a Sunday.
  if (n > 0) return first + ((((3 - first) % 7) + 7) % 7) + (n - 1) * 7;
  const last = (month === 12 ? dayOf(year + 1, 1, 1) : dayOf(year, month + 1, 1)) - 1;
  return last - ((((last - 3) % 7) + 7) % 7);
}

/** First and last+1 day of daylight saving time in New York: the federal rules since 1967, the city's before. */
function summerDays(year: number): readonly [number, number] {
  if (year >= 2007) return [sundayOf(year, 3, 2), sundayOf(year, 11, 1)];
  if (year >= 1987) return [sundayOf(year, 4, 1), sundayOf(year, 10, -1)];
  if (year === 1974) return [dayOf(1974, 1, 6), sundayOf(1974, 10, -1)];
  if (year === 1975) return [dayOf(1975, 2, 23), sundayOf(1975, 10, -1)];
  if (year >= 1955) return [sundayOf(year, 4, -1), sundayOf(year, 10, -1)];
  if (year === 1942) return [dayOf(1942, 2, 9), dayOf(1943, 1, 1)];
  if (year === 1943 || year === 1944) return [dayOf(year, 1, 1), dayOf(year + 1, 1, 1)];
  if (year === 1945) return [dayOf(1945, 1, 1), dayOf(1945, 9, 30)];
  return [sundayOf(year, 4, -1), sundayOf(year, 9, -1)];
}

const summers: (readonly [number, number] | undefined)[] = [];

/** Seconds to add to UTC for local time at `at`: -14400 in summer, else -18000. Right from 1921 to 2099. */
export function localOffset(at: number): number {
  const { year } = civilOf(Math.floor((at - 18_000) / DAY));
  let seconds = summers[year];
  if (seconds === undefined) {
    const [first, end] = summerDays(year);
    // Clocks change at 02:00 local time: 07:00 UTC in spring, 06:00 UTC in autumn. War time has no change at New Year.
    const untilNewYear = year === 1942 || year === 1943 || year === 1944;
    const fromNewYear = year === 1943 || year === 1944 || year === 1945;
    seconds = [first * DAY + (fromNewYear ? 5 : 7) * 3600, end * DAY + (untilNewYear ? 5 : 6) * 3600];
    summers[year] = seconds;
  }
  return at >= seconds[0] && at < seconds[1] ? -14_400 : -18_000;
}

const TWO: readonly string[] = Array.from({ length: 100 }, (_, i) => String(i).padStart(2, "0"));

// Texts of the days from 1870 on, filled as they are asked for.
const FIRST_CACHED_DAY = dayOf(1870, 1, 1);
const dayTexts: (string | undefined)[] = [];

/** `YYYY-MM-DD` of a day number (years 1000 to 9999). */
export function dateText(dayNumber: number): string {
  const slot = dayNumber - FIRST_CACHED_DAY;
  const cached = dayTexts[slot];
  if (cached !== undefined) return cached;
  const { year, month, day } = civilOf(dayNumber);
  const text = `${year}-${TWO[month]}-${TWO[day]}`;
  if (slot >= 0 && slot < 100_000) dayTexts[slot] = text;
  return text;
}

function clockText(secondOfDay: number): string {
  const hour = Math.floor(secondOfDay / 3600);
  const minute = Math.floor((secondOfDay % 3600) / 60);
  return `${TWO[hour]}:${TWO[minute]}:${TWO[secondOfDay % 60]}`;
}

/** The local day number of a moment. */
export function localDay(at: number): number {
  return Math.floor((at + localOffset(at)) / DAY);
}

/** A FHIR dateTime to the second with offset: `2019-07-01T09:30:00-04:00`. */
export function dateTimeText(at: number): string {
  const offset = localOffset(at);
  const local = at + offset;
  const day = Math.floor(local / DAY);
  return `${dateText(day)}T${clockText(local - day * DAY)}${offset === -14_400 ? "-04:00" : "-05:00"}`;
}

/** A FHIR instant with milliseconds and the local offset; `atMs` are milliseconds since 1970. */
export function instantText(atMs: number): string {
  const at = Math.floor(atMs / 1000);
  const text = dateTimeText(at);
  return `${text.slice(0, 19)}.${String(atMs - at * 1000).padStart(3, "0")}${text.slice(19)}`;
}

/** A FHIR instant with milliseconds in UTC: `2019-07-01T13:30:00.123Z`. */
export function utcInstantText(atMs: number): string {
  const at = Math.floor(atMs / 1000);
  const day = Math.floor(at / DAY);
  return `${dateText(day)}T${clockText(at - day * DAY)}.${String(atMs - at * 1000).padStart(3, "0")}Z`;
}

/** The moment of a local wall-clock time (`secondOfDay` from 0) on a local day. A time the clock skips moves on by an hour. */
export function momentOf(dayNumber: number, secondOfDay: number): number {
  const guess = dayNumber * DAY + secondOfDay + 18_000;
  return dayNumber * DAY + secondOfDay - localOffset(guess);
}

/** Full years from the day of birth to a moment. */
export function ageAt(birthDay: number, at: number): number {
  const born = civilOf(birthDay);
  const now = civilOf(localDay(at));
  const before = now.month < born.month || (now.month === born.month && now.day < born.day);
  return now.year - born.year - (before ? 1 : 0);
}
