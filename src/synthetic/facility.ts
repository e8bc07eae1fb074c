import { Random } from "./random.js";
import { PAYERS } from "./table/payer.js";
import { FAMILY, FEMALE, MALE } from "./table/person-name.js";
import { PLACES, type Place, STREET_KINDS, STREETS } from "./table/place.js";
import type { VisitKind } from "./table/visit.js";

/** A person who treats patients at one site. */
export interface Practitioner {
  readonly id: string;
  readonly roleId: string;
  readonly npi: string;
  readonly given: string;
  readonly family: string;
  readonly female: boolean;
  /** As displays show it: `Dr. Given Family`. */
  readonly display: string;
}

/** A place of care: one Organization with one Location. */
export interface Site {
  readonly organizationId: string;
  readonly locationId: string;
  readonly name: string;
  readonly place: Place;
  readonly street: string;
  readonly phone: string;
  readonly kind: VisitKind["place"];
  readonly practitioners: readonly Practitioner[];
}

/** Who treats and who pays, the same for every patient of a seed. */
export interface Facilities {
  readonly sites: readonly Site[];
  /** Organization ids of the payers, by payer index. */
  readonly payerIds: readonly string[];
}

/** Sites by kind: indexes 0-39 are clinics, 40-49 hospitals, 50-59 urgent care centers. */
export const SITES: Readonly<Record<VisitKind["place"], { readonly first: number; readonly count: number }>> =
  {
    clinic: { first: 0, count: 40 },
    hospital: { first: 40, count: 10 },
    "urgent-care": { first: 50, count: 10 },
  };

const PRACTITIONERS_PER_SITE = 3;

/** A street address line. */
export function streetLine(random: Random): string {
  return `${random.whole(1, 1299)} ${random.pick(STREETS)} ${random.pick(STREET_KINDS)}`;
}

function makePractitioner(random: Random): Practitioner {
  const female = random.chance(0.52);
  const given = random.pick(female ? FEMALE : MALE);
  const family = random.pick(FAMILY);
  return {
    id: random.uuid(),
    roleId: random.uuid(),
    npi: `99999${random.digits(5)}`,
    given,
    family,
    female,
    display: `Dr. ${given} ${family}`,
  };
}

function siteName(random: Random, kind: VisitKind["place"], place: Place): string {
  if (kind === "hospital")
    return `${place.city.toUpperCase()} ${random.pick(["GENERAL HOSPITAL", "MEDICAL CENTER", "MEMORIAL HOSPITAL"])}`;
  if (kind === "urgent-care") return `${place.city} Urgent Care, Inc`;
  return `${random.pick(FAMILY)} & ${random.pick(FAMILY)} ${random.pick(["Family Medicine", "Primary Care", "Internal Medicine", "Health Center"])}`;
}

function makeSite(seed: number, index: number): Site {
  const random = Random.stream(seed, index, "facility");
  const kind =
    index < SITES.hospital.first ? "clinic" : index < SITES["urgent-care"].first ? "hospital" : "urgent-care";
  const place = PLACES[(index * 7) % PLACES.length]!;
  return {
    organizationId: random.uuid(),
    locationId: random.uuid(),
    name: siteName(random, kind, place),
    place,
    street: streetLine(random),
    phone: `${random.pick(["413", "508", "617", "781", "978"])}-555-${random.digits(4)}`,
    kind,
    practitioners: Array.from({ length: PRACTITIONERS_PER_SITE }, () => makePractitioner(random)),
  };
}

let cached: { readonly seed: number; readonly facilities: Facilities } | undefined;

/** The facilities of a seed: 60 sites with three practitioners each, and the payers. The last seed asked for is kept. */
export function facilitiesOf(seed: number): Facilities {
  if (cached?.seed === seed) return cached.facilities;
  const count = SITES.clinic.count + SITES.hospital.count + SITES["urgent-care"].count;
  const payers = Random.stream(seed, 0, "payer");
  const facilities: Facilities = {
    sites: Array.from({ length: count }, (_, index) => makeSite(seed, index)),
    payerIds: PAYERS.map(() => payers.uuid()),
  };
  cached = { seed, facilities };
  return facilities;
}
