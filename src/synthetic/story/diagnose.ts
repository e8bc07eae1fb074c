import { DAY } from "../calendar.js";
import type { Chart } from "../chart.js";
import type { ConditionFact, EncounterFact, Onset } from "../fact.js";
import type { Random } from "../random.js";
import type { ClinicalCode } from "../table/clinical-code.js";

/** What differs from an active, confirmed encounter diagnosis that began with its encounter. */
export interface DiagnosisOptions {
  /** When it began; default the start of the encounter. */
  readonly onsetAt?: number;
  /** When it ended; default it goes on. */
  readonly abatedAt?: number | undefined;
  readonly verification?: ConditionFact["verification"];
  readonly chronic?: boolean;
  /** Which codes are written; default SNOMED CT alone, for some with ICD-10-CM. */
  readonly codings?: ConditionFact["codings"];
}

/** The onset as it was written down: mostly a moment, for a chronic disease at times a partial date or an age. */
function onsetOf(random: Random, at: number, chronic: boolean, birthDay: number): Onset | undefined {
  const draw = random.uniform();
  if (!chronic || draw < 0.8) return { kind: "moment", at };
  if (draw < 0.86) return { kind: "day", at };
  if (draw < 0.91) return { kind: "month", at };
  if (draw < 0.95) return { kind: "year", at };
  if (draw < 0.985)
    return { kind: "age", at, years: Math.max(0, Math.floor((at / DAY - birthDay) / 365.25)) };
  return undefined;
}

function clinicalStatus(
  random: Random,
  verification: ConditionFact["verification"],
  abatedAt: number | undefined,
): ConditionFact["clinical"] {
  // FHIR R4 con-5: no clinicalStatus when the verificationStatus is entered-in-error.
  if (verification === "entered-in-error") return undefined;
  if (abatedAt !== undefined) return "resolved";
  if (verification === "refuted") return "inactive";
  return random.chance(0.985) ? "active" : random.pick(["recurrence", "relapse"] as const);
}

/** How sure an acute diagnosis was in the end. Chronic ones are confirmed unless their story says otherwise. */
function acuteVerification(random: Random): ConditionFact["verification"] {
  const draw = random.uniform();
  if (draw < 0.004) return "entered-in-error";
  if (draw < 0.008) return "refuted";
  return draw < 0.018 ? "unconfirmed" : "confirmed";
}

/** Adds a Condition found at an encounter and returns it. An end after the end of the record is left open. */
export function diagnose(
  chart: Chart,
  random: Random,
  code: ClinicalCode,
  encounter: EncounterFact,
  options: DiagnosisOptions = {},
): ConditionFact {
  const chronic = options.chronic ?? false;
  const verification = options.verification ?? (chronic ? "confirmed" : acuteVerification(random));
  const onsetAt = options.onsetAt ?? encounter.start;
  const abatedAt =
    options.abatedAt !== undefined && options.abatedAt < chart.end ? options.abatedAt : undefined;
  const mix = random.uniform();
  const condition: ConditionFact = {
    ...chart.newFact(encounter.end),
    code,
    codings: options.codings ?? (code.icd10 === undefined || mix < 0.78 ? "snomed" : "both"),
    onset: onsetOf(random, onsetAt, chronic, chart.person.birthDay),
    recordedAt: encounter.start,
    encounter: chronic && random.chance(0.12) ? undefined : encounter,
    category: chronic && random.chance(0.6) ? "problem-list-item" : "encounter-diagnosis",
    abatedAt,
    clinical: clinicalStatus(random, verification, abatedAt),
    verification,
  };
  if (abatedAt !== undefined || verification === "refuted" || verification === "entered-in-error") {
    chart.amend(condition, abatedAt ?? encounter.end + random.whole(1, 60) * DAY);
  }
  chart.conditions.push(condition);
  return condition;
}
