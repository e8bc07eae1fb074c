import { DAY, dayOf, momentOf, YEAR } from "./calendar.js";
import { DETAIL_START, POPULATION_DATE, POPULATION_DAY } from "./era.js";
import { SITES, streetLine } from "./facility.js";
import { evenDraw, Random, type Weighted, weighted } from "./random.js";
import { PAYER_OLD, PAYER_YOUNG } from "./table/payer.js";
import { FAMILY, FEMALE, MALE } from "./table/person-name.js";
import { BIRTHPLACES, PLACES, type Place } from "./table/place.js";

/** A home: where it is, to the digits that a geocoder would write. */
export interface Home {
  readonly line: string;
  readonly unit: string | undefined;
  readonly place: Place;
  readonly latitude: string;
  readonly longitude: string;
}

/** How much of a birth date is known; `absent` is written as a data-absent-reason. */
export type BirthPrecision = "day" | "month" | "year" | "absent";

/** One person: who they are, and the body that their measurements come from. */
export interface Person {
  readonly sex: "male" | "female";
  readonly gender: "male" | "female" | "other" | "unknown";
  readonly birthDay: number;
  readonly birthPrecision: BirthPrecision;
  readonly birthplace: readonly [string, string, string];
  readonly race: Race;
  readonly hispanic: boolean;
  readonly given: readonly string[];
  family: string;
  readonly maiden: string | undefined;
  readonly mothersMaidenName: string;
  readonly marital: "S" | "M" | "D" | "W";
  home: Home;
  readonly formerHome: Home | undefined;
  phone: string;
  readonly mobile: string | undefined;
  readonly email: string | undefined;
  readonly language: Language;
  readonly multipleBirth: number | undefined;
  readonly mrn: string;
  readonly ssn: string;
  readonly license: string | undefined;
  readonly passport: string | undefined;
  readonly qualityYears: string;
  /** Seconds since 1970, or undefined while alive. */
  death: number | undefined;
  /** True when only the fact of death is recorded, not its time. */
  readonly deathTimeUnknown: boolean;
  readonly payer: number;
  /** Site index of the usual clinic. */
  readonly clinic: number;
  /** How much this person uses care, relative to others (about log-normal, median 1). */
  readonly utilization: number;
  readonly adultHeight: number;
  readonly adultBodyMass: number;
  readonly systolic: number;
  readonly diastolic: number;
  readonly smoker: "never" | "former" | "current";
}

/** A US Core race: OMB code and display. */
export type Race = readonly [string, string];
/** A language: BCP 47 tag and display. */
export type Language = readonly [string, string];

// Age in years by share of the population: after the ages in Synthea's Massachusetts population.
const AGES: readonly (readonly [number, number])[] = [
  [0, 0],
  [0.05, 4],
  [0.1, 11],
  [0.2, 19],
  [0.35, 28],
  [0.5, 41],
  [0.65, 54],
  [0.75, 61],
  [0.85, 70],
  [0.93, 79],
  [0.985, 89],
  [1, 104],
];

const RACES: Weighted<Race> = weighted([
  [["2106-3", "White"], 74],
  [["2054-5", "Black or African American"], 11],
  [["2028-9", "Asian"], 9],
  [["1002-5", "American Indian or Alaska Native"], 1],
  [["2131-1", "Other Race"], 5],
]);

const LANGUAGES: Weighted<Language> = weighted([
  [["en-US", "English (United States)"], 90],
  [["es", "Spanish"], 5],
  [["pt-BR", "Portuguese (Brazil)"], 2],
  [["zh", "Chinese"], 2],
  [["fr-FR", "French (France)"], 1],
]);

function ageFor(share: number): number {
  for (let i = 1; i < AGES.length; i++) {
    const [to, age] = AGES[i]!;
    const [from, younger] = AGES[i - 1]!;
    if (share <= to) return younger + ((share - from) / (to - from)) * (age - younger);
  }
  return 104;
}

/** The time of death, or undefined: likelier with age, and within the years that are recorded in detail. */
function deathOf(random: Random, age: number, birthDay: number): number | undefined {
  const share = age < 40 ? 0.006 : age < 60 ? 0.02 : age < 75 ? 0.07 : age < 85 ? 0.17 : 0.36;
  const dies = random.chance(share);
  const daysAgo = random.whole(20, 2900);
  const second = random.whole(0, DAY - 1);
  if (!dies) return undefined;
  const day = Math.max(POPULATION_DAY - daysAgo, birthDay + 200);
  return day < POPULATION_DAY ? momentOf(day, second) : undefined;
}

/** A new home near a random place. */
export function makeHome(random: Random): Home {
  const place = random.pick(PLACES);
  const near = (degrees: number) =>
    `${(degrees + random.normal(0, 0.02)).toFixed(4)}${random.digits(random.whole(9, 11))}`;
  return {
    line: streetLine(random),
    unit: random.chance(0.22) ? `Apt ${random.whole(1, 98)}` : undefined,
    place,
    latitude: near(place.latitude),
    longitude: near(place.longitude),
  };
}

/** A telephone number of the reserved exchange 555. */
export function makePhone(random: Random): string {
  return `555-${random.whole(200, 999)}-${random.digits(4)}`;
}

function birthPrecision(random: Random): BirthPrecision {
  const draw = random.uniform();
  if (draw < 0.008) return "year";
  if (draw < 0.016) return "month";
  return draw < 0.022 ? "absent" : "day";
}

function maritalStatus(random: Random, age: number): Person["marital"] {
  if (age < 22) return "S";
  if (age > 70 && random.chance(0.3)) return "W";
  return random.chance(0.58) ? "M" : random.chance(0.25) ? "D" : "S";
}

function names(random: Random, sex: Person["sex"], marital: Person["marital"]) {
  const list = sex === "female" ? FEMALE : MALE;
  const first = random.pick(list);
  const second = random.pick(list);
  const family = random.pick(FAMILY);
  const other = random.pick(FAMILY);
  return {
    given: random.chance(0.35) && second !== first ? [first, second] : [first],
    family: random.chance(0.02) ? `${family}-${other}` : family,
    maiden: sex === "female" && marital !== "S" && random.chance(0.65) ? other : undefined,
    mothersMaidenName: `${random.pick(FEMALE)} ${random.pick(FAMILY)}`,
  };
}

function contacts(random: Random, given: string, family: string) {
  const local = `${given}.${family}${random.whole(1, 99)}`.normalize("NFD").replace(/[^A-Za-z0-9.]/g, "");
  return {
    phone: makePhone(random),
    mobile: random.chance(0.6) ? makePhone(random) : undefined,
    email: random.chance(0.45) ? `${local}@example.com` : undefined,
  };
}

function papers(random: Random, age: number) {
  return {
    mrn: `MRN-${random.digits(8)}`,
    ssn: `999-${random.digits(2)}-${random.digits(4)}`,
    license: age >= 16 ? `S999${random.digits(5)}` : undefined,
    passport: age >= 18 && random.chance(0.93) ? `X${random.digits(8)}X` : undefined,
  };
}

function body(random: Random, sex: Person["sex"]) {
  return {
    utilization: random.logNormal(0.76, 0.57),
    adultHeight: random.normal(sex === "male" ? 176 : 163, 6.8),
    adultBodyMass: random.normal(27.4, 3.6),
    systolic: random.normal(112, 8),
    diastolic: random.normal(73, 6),
    smoker: random.choose(SMOKERS),
  };
}

const SMOKERS: Weighted<Person["smoker"]> = weighted([
  ["never", 70],
  ["former", 19],
  ["current", 11],
]);

/** The person of a patient: depends on seed and index only. */
export function makePerson(seed: number, index: number): Person {
  const random = Random.stream(seed, index, "person");
  const age = ageFor(evenDraw(seed, index, 0));
  const sex = random.chance(0.51) ? "female" : "male";
  const rare = random.uniform();
  const birthDay = Math.max(POPULATION_DAY - 1 - Math.floor((age * YEAR) / DAY), dayOf(1905, 1, 1));
  const marital = maritalStatus(random, age);
  const name = names(random, sex, marital);
  return {
    sex,
    gender: rare < 0.006 ? "other" : rare < 0.011 ? "unknown" : sex,
    birthDay,
    birthPrecision: birthPrecision(random),
    birthplace: random.chance(0.12)
      ? random.pick(BIRTHPLACES)
      : [random.pick(PLACES).city, "Massachusetts", "US"],
    race: random.choose(RACES),
    hispanic: random.chance(0.14),
    ...name,
    marital,
    home: makeHome(random),
    formerHome: random.chance(0.06) ? makeHome(random) : undefined,
    ...contacts(random, name.given[0]!, name.family),
    language: random.choose(LANGUAGES),
    multipleBirth: random.chance(0.02) ? random.whole(1, 2) : undefined,
    ...papers(random, age),
    qualityYears: `${Math.max(0, Math.floor(age) - 1)}.${random.digits(random.whole(12, 16))}`,
    death: deathOf(random, age, birthDay),
    deathTimeUnknown: random.chance(0.08),
    payer: random.choose(age >= 65 ? PAYER_OLD : PAYER_YOUNG),
    clinic: SITES.clinic.first + random.whole(0, SITES.clinic.count - 1),
    ...body(random, sex),
  };
}

/** When the record of a person ends: at death, else with the population. */
export function recordEnd(person: Person): number {
  return person.death ?? POPULATION_DATE;
}

/** When the detailed record of a person begins: at birth, or with the detailed years. */
export function detailStart(person: Person): number {
  return Math.max(DETAIL_START, momentOf(person.birthDay, 12 * 3600));
}

const CHILD_HEIGHTS: readonly (readonly [number, number])[] = [
  [0, 0.29],
  [1, 0.44],
  [2, 0.51],
  [4, 0.6],
  [8, 0.745],
  [12, 0.875],
  [15, 0.97],
  [18, 1],
];

/** Height (cm) and weight (kg) of a person at an age in years, before day-to-day variation. */
export function bodyAt(
  person: Person,
  age: number,
): { readonly height: number; readonly weight: number; readonly bodyMass: number } {
  let share = 1;
  for (let i = 1; i < CHILD_HEIGHTS.length && age < 18; i++) {
    const [to, upper] = CHILD_HEIGHTS[i]!;
    const [from, lower] = CHILD_HEIGHTS[i - 1]!;
    if (age <= to) {
      share = lower + ((age - from) / (to - from)) * (upper - lower);
      break;
    }
  }
  const height = person.adultHeight * share;
  const grown = Math.min(1, Math.max(0, (age - 5) / 25));
  const bodyMass = 15.8 + (person.adultBodyMass - 15.8) * grown;
  return { height, bodyMass, weight: (bodyMass * height * height) / 10_000 };
}
