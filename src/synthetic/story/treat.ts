import { DAY } from "../calendar.js";
import type { Chart } from "../chart.js";
import type { Code } from "../code.js";
import type {
  ConditionFact,
  Dosage,
  EncounterFact,
  ImmunizationFact,
  MedicationFact,
  ProcedureFact,
} from "../fact.js";
import type { Random } from "../random.js";
import type { CareProgram } from "../table/care-program.js";
import { DOSE_UNIT, type Drug } from "../table/drug.js";

const DOSES: Readonly<Record<Drug["form"], readonly string[]>> = {
  tablet: ["1", "1", "1.0", "2", "0.5"],
  capsule: ["1", "1.0"],
  puff: ["2", "1", "2.0"],
  spray: ["1"],
  mL: ["5", "10", "2.5", "12.50"],
  injection: ["1"],
  device: ["1"],
  pack: ["1"],
};

function dosageOf(random: Random, drug: Drug): Dosage | undefined {
  if (random.chance(0.4)) return undefined;
  const dose = random.pick(DOSES[drug.form]);
  const everyHours = drug.timesPerDay > 1 && random.chance(0.3);
  const wording = drug.asNeeded
    ? "Take as needed."
    : `Take ${dose} ${drug.form} ${drug.timesPerDay} times a day`;
  return {
    text: drug.asNeeded || random.chance(0.35) ? wording : undefined,
    frequency: everyHours ? 1 : drug.timesPerDay,
    period: everyHours ? String(24 / drug.timesPerDay) : "1.0",
    periodUnit: everyHours ? "h" : "d",
    dose,
    doseUnit: drug.form === "pack" ? "tablet" : drug.form,
    doseCode: DOSE_UNIT[drug.form],
    asNeeded: drug.asNeeded,
  };
}

/**
 * Adds a MedicationRequest. A drug for a chronic disease (`lasting`) is still active when it was ordered within the last
 * 14 months of the record; all others are stopped or completed.
 */
export function prescribe(
  chart: Chart,
  random: Random,
  encounter: EncounterFact,
  drug: Drug,
  reason: ConditionFact | undefined,
  lasting: boolean,
): MedicationFact {
  const recent = encounter.start > chart.end - 426 * DAY && chart.person.death === undefined;
  const active = lasting && recent && random.chance(0.7);
  const medication: MedicationFact = {
    ...chart.newFact(encounter.end),
    drug,
    authoredAt: encounter.start,
    encounter,
    reason: reason !== undefined && random.chance(0.75) ? reason : undefined,
    dosage: dosageOf(random, drug),
    contained: random.chance(0.03),
    status: active ? "active" : ended(random),
  };
  if (!active) chart.amend(medication, encounter.start + random.whole(10, 360) * DAY);
  chart.medications.push(medication);
  return medication;
}

function ended(random: Random): MedicationFact["status"] {
  const draw = random.uniform();
  if (draw < 0.004) return "entered-in-error";
  if (draw < 0.012) return "cancelled";
  return draw < 0.17 ? "completed" : "stopped";
}

/** Adds a Procedure at an encounter, with a price near `cents`, and returns it. */
export function perform(
  chart: Chart,
  random: Random,
  encounter: EncounterFact,
  code: Code,
  cents: number,
  options: { readonly reason?: ConditionFact | undefined; readonly minutes?: number } = {},
): ProcedureFact {
  const minutes = options.minutes ?? 15;
  const draw = random.uniform();
  const procedure: ProcedureFact = {
    ...chart.newFact(encounter.end),
    code,
    start: encounter.start,
    end: encounter.start + Math.floor(random.between(0.7, 1.6) * minutes * 60),
    encounter,
    reason: options.reason,
    cents: Math.round(random.between(0.8, 1.3) * cents),
    status: draw < 0.005 ? "not-done" : draw < 0.008 ? "stopped" : "completed",
  };
  chart.procedures.push(procedure);
  return procedure;
}

/** Adds an Immunization at an encounter and returns it; one in sixty was refused or withdrawn. */
export function immunize(
  chart: Chart,
  random: Random,
  encounter: EncounterFact,
  vaccine: Code,
): ImmunizationFact {
  const draw = random.uniform();
  const immunization: ImmunizationFact = {
    ...chart.newFact(encounter.end),
    vaccine,
    at: encounter.start,
    encounter,
    lot: random.chance(0.5) ? `${random.pick(["AX", "UJ", "EK", "FF"])}${random.digits(4)}` : undefined,
    status: draw < 0.012 ? "not-done" : draw < 0.015 ? "entered-in-error" : "completed",
  };
  chart.immunizations.push(immunization);
  return immunization;
}

/** Adds a CarePlan with its CareTeam. `days` is how long it runs; undefined means it goes on. */
export function planCare(
  chart: Chart,
  encounter: EncounterFact,
  program: CareProgram,
  condition: ConditionFact | undefined,
  days: number | undefined,
): void {
  const end = days === undefined ? undefined : encounter.start + days * DAY;
  const over = end !== undefined && end < chart.end;
  const plan = {
    ...chart.newFact(encounter.end),
    program,
    team: chart.newFact(encounter.end),
    encounter,
    condition,
  };
  const carePlan = { ...plan, start: encounter.start, end: over ? end : undefined };
  if (over) {
    chart.amend(carePlan, end);
    chart.amend(carePlan.team, end);
  }
  chart.carePlans.push(carePlan);
}
