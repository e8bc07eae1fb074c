import { type Code, code, snomed } from "../code.js";

/** A kind of encounter: its class, its type (one of several wordings), how long it takes and what it costs. */
export interface VisitKind {
  readonly name: string;
  readonly classCode: "AMB" | "EMER" | "IMP" | "VR";
  readonly types: readonly Code[];
  /** Shortest and longest duration, in minutes. */
  readonly minutes: readonly [number, number];
  readonly cents: number;
  /** The CPT code of the visit, where one is billed. */
  readonly cpt: string | undefined;
  /** Where it takes place. */
  readonly place: "clinic" | "hospital" | "urgent-care";
}

function kind(
  name: string,
  classCode: VisitKind["classCode"],
  types: readonly Code[],
  minutes: readonly [number, number],
  cents: number,
  cpt?: string,
  place: VisitKind["place"] = "clinic",
): VisitKind {
  return { name, classCode, types, minutes, cents, cpt, place };
}

const checkUp = snomed("185349003", "Encounter for check up (procedure)");
const checkUpQuoted = snomed("185349003", "Encounter for 'check-up'");
const problem = snomed("185347001", "Encounter for problem (procedure)");
const problemShort = snomed("185347001", "Encounter for problem");
const emergency = snomed("50849002", "Emergency room admission (procedure)");
const emergencyTitle = snomed("50849002", "Emergency Room Admission");

/** All kinds of visits by name. Two wordings of one code stand for the systems they came from. */
export const VISIT = {
  wellness: kind(
    "wellness",
    "AMB",
    [snomed("162673000", "General examination of patient (procedure)")],
    [15, 30],
    12916,
    "99396",
  ),
  wellChild: kind(
    "well-child",
    "AMB",
    [snomed("410620009", "Well child visit (procedure)")],
    [15, 30],
    12916,
    "99392",
  ),
  symptom: kind("symptom", "AMB", [snomed("185345009", "Encounter for symptom")], [15, 45], 12916, "99213"),
  problem: kind("problem", "AMB", [problem, problem, problemShort], [15, 60], 12916, "99213"),
  checkUp: kind("check-up", "AMB", [checkUp, checkUp, checkUpQuoted], [15, 40], 12916, "99213"),
  followUp: kind("follow-up", "AMB", [snomed("390906007", "Follow-up encounter")], [15, 40], 12916, "99214"),
  hypertension: kind(
    "hypertension",
    "AMB",
    [snomed("390906007", "Hypertension follow-up encounter")],
    [15, 30],
    12916,
    "99214",
  ),
  diabetes: kind(
    "diabetes",
    "AMB",
    [checkUp, snomed("390906007", "Follow-up encounter")],
    [20, 45],
    12916,
    "99214",
  ),
  asthma: kind("asthma", "AMB", [snomed("394701000", "Asthma follow-up")], [15, 30], 12916, "99213"),
  consultation: kind(
    "consultation",
    "AMB",
    [snomed("698314001", "Consultation for treatment")],
    [20, 60],
    15500,
    "99243",
  ),
  outpatient: kind("outpatient", "AMB", [snomed("371883000", "Outpatient procedure")], [30, 120], 12916),
  procedure: kind("procedure", "AMB", [snomed("308335008", "Patient encounter procedure")], [15, 90], 12916),
  prenatalFirst: kind(
    "prenatal-first",
    "AMB",
    [snomed("424441002", "Prenatal initial visit")],
    [30, 60],
    12916,
    "0500F",
  ),
  prenatal: kind("prenatal", "AMB", [snomed("424619006", "Prenatal visit")], [20, 40], 12916, "0502F"),
  postnatal: kind("postnatal", "AMB", [snomed("169762003", "Postnatal visit")], [20, 60], 12916, "0503F"),
  delivery: kind(
    "delivery",
    "IMP",
    [snomed("183460006", "Obstetric emergency hospital admission")],
    [1440, 4320],
    1_280_000,
    undefined,
    "hospital",
  ),
  postoperative: kind(
    "postoperative",
    "AMB",
    [snomed("439740005", "Postoperative follow-up visit (procedure)")],
    [15, 30],
    12916,
    "99024",
  ),
  urgentCare: kind(
    "urgent-care",
    "AMB",
    [snomed("702927004", "Urgent care clinic (procedure)")],
    [15, 75],
    12916,
    "99204",
    "urgent-care",
  ),
  video: kind(
    "video",
    "VR",
    [snomed("448337001", "Telemedicine consultation with patient")],
    [10, 30],
    9050,
    "99442",
  ),
  emergency: kind(
    "emergency",
    "EMER",
    [emergency, emergency, emergencyTitle],
    [60, 240],
    89_500,
    "99284",
    "hospital",
  ),
  inpatient: kind(
    "inpatient",
    "IMP",
    [snomed("183452005", "Encounter Inpatient")],
    [1440, 7200],
    1_062_000,
    undefined,
    "hospital",
  ),
  intensive: kind(
    "intensive",
    "IMP",
    [snomed("305351004", "Admission to intensive care unit")],
    [20_160, 20_170],
    6_450_000,
    undefined,
    "hospital",
  ),
  surgery: kind(
    "surgery",
    "IMP",
    [snomed("305408004", "Admission to surgical department")],
    [1440, 5760],
    1_840_000,
    undefined,
    "hospital",
  ),
} as const satisfies Record<string, VisitKind>;

const DISPOSITIONS = "http://terminology.hl7.org/CodeSystem/discharge-disposition";

/** Where a patient went after a hospital stay (Encounter.hospitalization.dischargeDisposition). */
export const DISPOSITION = {
  home: code(DISPOSITIONS, "home", "Home"),
  nursing: code(DISPOSITIONS, "snf", "Skilled nursing facility"),
  expired: code(DISPOSITIONS, "exp", "Expired"),
} as const satisfies Record<string, Code>;
