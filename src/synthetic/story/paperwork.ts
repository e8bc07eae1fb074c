import { DAY, dateText, localDay, momentOf } from "../calendar.js";
import type { Chart } from "../chart.js";
import { type Code, loinc } from "../code.js";
import { DETAIL_START } from "../era.js";
import type { ClaimLine, ConditionFact, CoverageFact, EncounterFact, MedicationFact } from "../fact.js";
import type { Random } from "../random.js";
import { PAYERS } from "../table/payer.js";
import { smokerAt } from "./vital-signs.js";

const NOTE_TYPES: readonly Code[] = [
  loinc("34117-2", "History and physical note"),
  loinc("11506-3", "Progress note"),
  loinc("18842-5", "Discharge summary"),
];

/** Facts by the encounter they belong to. */
function byEncounter<T extends { readonly encounter: EncounterFact | undefined }>(
  facts: readonly T[],
  from: number,
): Map<EncounterFact, T[]> {
  const map = new Map<EncounterFact, T[]>();
  for (let i = from; i < facts.length; i++) {
    const fact = facts[i]!;
    if (fact.encounter === undefined) continue;
    const list = map.get(fact.encounter);
    if (list === undefined) map.set(fact.encounter, [fact]);
    else list.push(fact);
  }
  return map;
}

/** How far each list was when the paperwork was last done; zeros for a new chart. */
export interface PaperworkMark {
  readonly encounters: number;
  readonly conditions: number;
  readonly medications: number;
  readonly procedures: number;
  readonly immunizations: number;
}

/** The present end of the lists that claims and notes are made of. */
export function paperworkMark(chart: Chart): PaperworkMark {
  return {
    encounters: chart.encounters.length,
    conditions: chart.conditions.length,
    medications: chart.medications.length,
    procedures: chart.procedures.length,
    immunizations: chart.immunizations.length,
  };
}

const START: PaperworkMark = {
  encounters: 0,
  conditions: 0,
  medications: 0,
  procedures: 0,
  immunizations: 0,
};

function addCoverage(chart: Chart, random: Random): void {
  const born = momentOf(chart.person.birthDay, 43_200);
  const change = Math.floor(random.between(DETAIL_START, chart.end));
  const start = Math.max(born, DETAIL_START - 3650 * DAY);
  const add = (payer: number, from: number, end: number | undefined) =>
    chart.coverages.push({
      ...chart.newFact(from),
      payer,
      subscriber: `W${random.digits(9)}`,
      start: from,
      end,
    });
  const earlier = random.whole(1, PAYERS.length - 1);
  if (random.chance(0.4) && change > born && earlier !== chart.person.payer) {
    add(earlier, start, change);
    add(chart.person.payer, change, undefined);
  } else {
    add(chart.person.payer, start, undefined);
  }
}

function coverageAt(chart: Chart, at: number): CoverageFact {
  return (
    chart.coverages.find((coverage) => coverage.end === undefined || at < coverage.end) ?? chart.coverages[0]!
  );
}

interface Billed {
  readonly conditions: readonly ConditionFact[];
  readonly procedures: Chart["procedures"];
  readonly immunizations: Chart["immunizations"];
}

function visitLines(encounter: EncounterFact, billed: Billed): ClaimLine[] {
  const line = (
    product: Code,
    cents: number | undefined,
    source: ClaimLine["source"],
    diagnosis?: ConditionFact,
    cpt?: string,
  ) => ({ product, cpt, cents, source, diagnosis }) satisfies ClaimLine;
  return [
    line(encounter.type, undefined, undefined, undefined, encounter.kind.cpt),
    ...billed.immunizations
      .filter(({ status }) => status === "completed")
      .map(({ vaccine, id }) => line(vaccine, 14052, { type: "Immunization", id })),
    ...billed.conditions.map((condition) => line(condition.code.snomed, undefined, undefined, condition)),
    ...billed.procedures
      .filter(({ status }) => status === "completed")
      .map(({ code, cents, id }) => line(code, cents, { type: "Procedure", id })),
  ];
}

function claimVisit(chart: Chart, random: Random, encounter: EncounterFact, billed: Billed): void {
  const lines = visitLines(encounter, billed);
  const totalCents = lines.reduce((sum, { cents }) => sum + (cents ?? 0), encounter.kind.cents);
  const hospital = encounter.kind.place === "hospital";
  chart.claims.push({
    ...chart.newFact(encounter.end + DAY),
    type: hospital || random.chance(0.55) ? "institutional" : "professional",
    encounter,
    medication: undefined,
    coverage: coverageAt(chart, encounter.start),
    createdAtMs: encounter.end * 1000 + random.whole(0, 999),
    diagnoses: billed.conditions,
    lines,
    totalCents,
    benefit: chart.newFact(encounter.end + random.whole(2, 30) * DAY),
    status: "active",
  });
}

function claimDrug(chart: Chart, random: Random, medication: MedicationFact): void {
  const cents = Math.round(medication.drug.cents * random.between(0.85, 1.2));
  chart.claims.push({
    ...chart.newFact(medication.authoredAt + DAY),
    type: "pharmacy",
    encounter: medication.encounter,
    medication,
    coverage: coverageAt(chart, medication.authoredAt),
    createdAtMs: medication.encounter.end * 1000 + random.whole(0, 999),
    diagnoses: [],
    lines: [
      {
        product: medication.encounter.type,
        cpt: undefined,
        cents: undefined,
        source: undefined,
        diagnosis: undefined,
      },
    ],
    totalCents: cents,
    benefit: undefined,
    status: "active",
  });
}

/** A note as a doctor would dictate it: complaint, history, medications, plan. */
function noteText(
  chart: Chart,
  encounter: EncounterFact,
  billed: Billed,
  medications: readonly MedicationFact[],
): string {
  const { person } = chart;
  const years = Math.floor((encounter.start / DAY - person.birthDay) / 365.25);
  const history = chart.conditions
    .filter(({ recordedAt, verification }) => recordedAt < encounter.start && verification === "confirmed")
    .slice(-12)
    .map(({ code }) => code.snomed.display.toLowerCase());
  const list = (items: readonly string[], none: string) =>
    items.length === 0 ? none : items.map((item) => `- ${item}`).join("\n");
  return [
    `\n${dateText(localDay(encounter.start))}\n\n# Chief Complaint\n${encounter.reason?.display ?? "No complaints."}`,
    `\n# History of Present Illness\n${person.given.join(" ")} is a ${years} year-old ${person.sex}. ` +
      (history.length === 0
        ? "No significant past medical history."
        : `Patient has a history of ${history.join(", ")}.`),
    `\n# Social History\nSmoking: ${smokerAt(chart, encounter.start)}. Language: ${person.language[1]}. Insurance: ${PAYERS[person.payer]!.name}.`,
    `\n# Medications\n${list(
      medications.map(({ drug }) => drug.code.display.toLowerCase()),
      "No Active Medications.",
    )}`,
    `\n# Assessment and Plan\n${list(
      billed.conditions.map(({ code }) => code.snomed.display),
      "Patient is presenting for routine care.",
    )}`,
    list(
      billed.procedures.map(({ code }) => code.display.toLowerCase()),
      "",
    ),
  ].join("\n");
}

function addNote(chart: Chart, random: Random, encounter: EncounterFact, note: string): void {
  const inpatient = encounter.kind.classCode === "IMP";
  const document = {
    ...chart.newFact(encounter.end + 1800),
    encounter,
    type: inpatient ? NOTE_TYPES[2]! : NOTE_TYPES[random.whole(0, 1)]!,
    atMs: encounter.end * 1000 + random.whole(0, 999),
    note,
    status: random.chance(0.92) ? ("current" as const) : ("superseded" as const),
  };
  if (document.status === "superseded") chart.amend(document, encounter.end + 3 * DAY);
  chart.documents.push(document);
}

/**
 * Tells what follows every visit and prescription: coverage, claims with their explanations of benefit, and notes for some.
 * With a mark only what came after it is done, as in a later batch.
 */
export function tellPaperwork(chart: Chart, random: Random, mark: PaperworkMark = START): void {
  if (chart.coverages.length === 0) addCoverage(chart, random);
  const conditions = byEncounter(chart.conditions, mark.conditions);
  const procedures = byEncounter(chart.procedures, mark.procedures);
  const immunizations = byEncounter(chart.immunizations, mark.immunizations);
  const medications = byEncounter(chart.medications, mark.medications);
  for (const encounter of chart.encounters.slice(mark.encounters)) {
    if (encounter.status !== "finished") continue;
    const billed: Billed = {
      conditions: conditions.get(encounter) ?? [],
      procedures: procedures.get(encounter) ?? [],
      immunizations: immunizations.get(encounter) ?? [],
    };
    const ordered = medications.get(encounter) ?? [];
    claimVisit(chart, random, encounter, billed);
    for (const medication of ordered) claimDrug(chart, random, medication);
    const inpatient = encounter.kind.classCode === "IMP";
    if (inpatient || random.chance(0.16))
      addNote(chart, random, encounter, noteText(chart, encounter, billed, ordered));
  }
}
