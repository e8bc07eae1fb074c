import { DAY, localDay, momentOf } from "./calendar.js";
import type { Code } from "./code.js";
import { GO_LIVE, POPULATION_DATE } from "./era.js";
import { type Facilities, facilitiesOf, SITES } from "./facility.js";
import type {
  AllergyFact,
  CarePlanFact,
  ClaimFact,
  ConditionFact,
  CoverageFact,
  DeviceFact,
  DocumentFact,
  EncounterFact,
  Fact,
  FamilyHistoryFact,
  ImagingFact,
  ImmunizationFact,
  MedicationFact,
  ObservationFact,
  ProcedureFact,
  ReportFact,
} from "./fact.js";
import { makePerson, type Person, recordEnd } from "./person.js";
import { Random } from "./random.js";
import type { Analyte } from "./table/analyte.js";
import { DISPOSITION, type VisitKind } from "./table/visit.js";

/** What is known of a person's diabetes; the near misses are what a cohort query must not count as type 2. */
export type DiabetesStatus =
  | "none"
  | "type-2"
  | "type-1"
  | "gestational"
  | "prediabetes"
  | "family-history"
  | "refuted"
  | "entered-in-error"
  | "provisional"
  | "single-hba1c";

/** The patient's own resource, and the record that was merged into it if there is one. */
export interface PatientFact extends Fact {
  readonly duplicate: Fact | undefined;
}

/** All facts of one patient. The stories fill it, the renderers read it, later batches change it. */
export class Chart {
  readonly seed: number;
  readonly index: number;
  readonly density: number;
  readonly person: Person;
  readonly facilities: Facilities;
  readonly patient: PatientFact;
  readonly encounters: EncounterFact[] = [];
  readonly conditions: ConditionFact[] = [];
  readonly observations: ObservationFact[] = [];
  readonly reports: ReportFact[] = [];
  readonly medications: MedicationFact[] = [];
  readonly procedures: ProcedureFact[] = [];
  readonly immunizations: ImmunizationFact[] = [];
  readonly allergies: AllergyFact[] = [];
  readonly carePlans: CarePlanFact[] = [];
  readonly documents: DocumentFact[] = [];
  readonly coverages: CoverageFact[] = [];
  readonly claims: ClaimFact[] = [];
  readonly images: ImagingFact[] = [];
  readonly devices: DeviceFact[] = [];
  readonly familyHistory: FamilyHistoryFact[] = [];
  diabetes: DiabetesStatus = "none";
  /** Where the record ends so far, in seconds since 1970: at death, else with the population or the current batch. */
  end: number;
  /** While a batch is written: the window, in ms, in which its resources are stored. */
  storedWithin: { readonly fromMs: number; readonly toMs: number } | undefined;
  private readonly shifts = new Map<Analyte, { readonly from: number; readonly delta: number }>();
  private readonly levels = new Map<Analyte, number>();
  private readonly ids: Random;
  private readonly clock: Random;
  private readonly level: Random;
  private visits: Random;

  constructor(seed: number, index: number, density: number, storedWithin?: Chart["storedWithin"]) {
    this.storedWithin = storedWithin;
    this.seed = seed;
    this.index = index;
    this.density = density;
    this.facilities = facilitiesOf(seed);
    this.person = makePerson(seed, index);
    this.end = recordEnd(this.person);
    this.ids = Random.stream(seed, index, "id");
    this.clock = Random.stream(seed, index, "clock");
    this.level = Random.stream(seed, index, "level");
    this.visits = Random.stream(seed, index, "visit");
    const known = Math.max(momentOf(this.person.birthDay, 43_200), GO_LIVE);
    const merged = this.ids.chance(0.006);
    this.patient = { ...this.newFact(known), duplicate: merged ? this.newFact(known) : undefined };
    if (this.person.death !== undefined) this.amend(this.patient, this.person.death);
    if (this.patient.duplicate !== undefined) this.amend(this.patient.duplicate, this.end - 3600);
  }

  /** A stream of draws of this patient for one purpose. */
  stream(purpose: string): Random {
    return Random.stream(this.seed, this.index, purpose);
  }

  /** Starts a batch: visits draw from a stream of their own, and what is stored is stored within its hours. */
  beginBatch(batch: number, fromMs: number, toMs: number): Random {
    this.storedWithin = { fromMs, toMs };
    this.end = this.person.death ?? toMs / 1000;
    this.visits = this.stream(`visit/${batch}`);
    return this.stream(`batch/${batch}`);
  }

  /** Id, version 1 and the time of storing of a resource about something recorded at `recordedAt`. */
  newFact(recordedAt: number): Fact {
    return { id: this.ids.uuid(), version: 1, updatedAtMs: this.storedAt(recordedAt) };
  }

  /** Notes that a stored resource was changed at `at`: one more version, stored later than the one before. */
  amend(fact: Fact, at: number): void {
    fact.version++;
    fact.updatedAtMs = Math.max(this.storedAt(at), fact.updatedAtMs + 1);
  }

  /** When something recorded at `recordedAt` was stored: a few minutes to a day later, never before the system went live. */
  private storedAt(recordedAt: number): number {
    if (this.storedWithin !== undefined) {
      const { fromMs, toMs } = this.storedWithin;
      return fromMs + this.clock.whole(0, toMs - fromMs - 1000);
    }
    const lag = this.clock.chance(0.85)
      ? this.clock.whole(20_000, 7_200_000)
      : this.clock.whole(7_200_000, 86_400_000);
    const migration = GO_LIVE * 1000 + (lag % 100) * 86_400_000 + lag;
    const storedMs = Math.max(recordedAt * 1000 + lag, migration);
    return Math.min(storedMs, POPULATION_DATE * 1000 - 1 - (lag % 3_600_000));
  }

  /** A moment in opening hours on the day of `at` (any hour for emergencies), never past the end of the record. */
  appointment(random: Random, at: number, anyHour = false): number {
    const second = anyHour ? random.whole(0, DAY - 1) : random.whole(8 * 3600, 17 * 3600 + 1800);
    const moment = momentOf(localDay(at), second);
    return Math.min(moment, this.end - random.whole(3600, 7200));
  }

  /** Adds an Encounter that starts at `start` and returns it. */
  visit(kind: VisitKind, start: number, reason?: Code, disposition?: Code): EncounterFact {
    const random = this.visits;
    const area = SITES[kind.place];
    const site =
      kind.place === "clinic" && random.chance(0.85)
        ? this.person.clinic
        : area.first + random.whole(0, area.count - 1);
    const [shortest, longest] = kind.minutes;
    const length = Math.floor(random.between(shortest, longest) * 60);
    const end = Math.min(start + length, Math.max(this.end - 60, start + 60));
    const encounter: EncounterFact = {
      ...this.newFact(end),
      kind,
      type: random.pick(kind.types),
      start,
      end,
      reason,
      site,
      practitioner: random.whole(0, this.facilities.sites[site]!.practitioners.length - 1),
      disposition: disposition ?? this.disposition(kind, random),
      status: "finished",
    };
    this.encounters.push(encounter);
    return encounter;
  }

  private disposition(kind: VisitKind, random: Random): Code | undefined {
    if (kind.classCode !== "IMP") return undefined;
    return random.chance(0.9) ? DISPOSITION.home : DISPOSITION.nursing;
  }

  /** From `from` on, values of the analyte are `delta` above what they would be: what a disease does. */
  shift(analyte: Analyte, from: number, delta: number): void {
    this.shifts.set(analyte, { from, delta });
  }

  /** The person's usual value of an analyte at a time, in its unit, before day-to-day variation. */
  usual(analyte: Analyte, at: number): number {
    let level = this.levels.get(analyte);
    if (level === undefined) {
      level = this.level.normal(0, 0.7);
      this.levels.set(analyte, level);
    }
    const shift = this.shifts.get(analyte);
    return (
      analyte.mean + level * analyte.deviation + (shift !== undefined && at >= shift.from ? shift.delta : 0)
    );
  }
}
