import { type Code, snomed } from "../code.js";

/** A procedure with its price and usual length. */
export interface ProcedureKind {
  readonly code: Code;
  readonly cents: number;
  readonly minutes: number;
}

function procedure(value: string, display: string, cents: number, minutes = 15): ProcedureKind {
  return { code: snomed(value, display), cents, minutes };
}

/** Procedures that the stories name. */
export const PROCEDURE = {
  reconciliation: procedure("430193006", "Medication Reconciliation (procedure)", 46_700),
  depressionScreening: procedure("171207006", "Depression screening", 4_100),
  colonoscopy: procedure("73761001", "Colonoscopy", 1_192_255, 75),
  mammography: procedure("71651007", "Mammography (procedure)", 31_000, 30),
  occultBlood: procedure("104435004", "Screening for occult blood in feces (procedure)", 8_430),
  footExam: procedure("401191002", "Diabetic foot examination (regime/therapy)", 7_250),
  eyeExam: procedure("314971001", "Camera fundoscopy (procedure)", 18_050, 20),
  referralHypertension: procedure("183856001", "Referral to hypertension clinic", 9_150),
  birth: procedure("66348005", "Childbirth", 1_043_000, 360),
  cesarean: procedure("11466000", "Cesarean section", 1_720_000, 90),
  episiotomy: procedure("85548006", "Episiotomy", 38_000, 30),
  postnatalExam: procedure("5880005", "Physical examination following birth", 6_900),
} as const satisfies Record<string, ProcedureKind>;

/** Small procedures of outpatient visits. */
export const OUTPATIENT: readonly ProcedureKind[] = [
  procedure("76601001", "Intramuscular injection", 3_480),
  procedure("415300000", "Review of systems (procedure)", 8_020),
  procedure("162676008", "Brief general examination (procedure)", 7_540),
  procedure("311791003", "Information gathering (procedure)", 6_260),
  procedure("399208008", "Plain chest X-ray (procedure)", 29_300, 20),
  procedure("269911007", "Sputum examination (procedure)", 5_170),
  procedure("23426006", "Measurement of respiratory function (procedure)", 17_800),
];

/** What is done at the first prenatal visit. */
export const FIRST_PRENATAL: readonly ProcedureKind[] = [
  procedure("252160004", "Standard pregnancy test", 2_890),
  procedure("169230002", "Ultrasound scan for fetal viability", 29_800, 30),
  procedure("44608003", "Blood typing, RH typing", 6_400),
  procedure("104091002", "Hemoglobin / Hematocrit / Platelet count", 4_800),
  procedure("47758006", "Hepatitis B Surface Antigen Measurement", 5_250),
  procedure("31676001", "Human immunodeficiency virus antigen test", 6_150),
  procedure("310861008", "Chlamydia antigen test", 5_980),
  procedure("165829005", "Gonorrhea infection test", 5_980),
  procedure("269828009", "Syphilis infection test", 3_720),
  procedure("117010004", "Urine culture", 4_150),
  procedure("90226004", "Cytopathology procedure, preparation of smear, genital source", 7_030),
  procedure("395123002", "Urine screening test for diabetes", 2_310),
  procedure("104375008", "Hepatitis C antibody test", 5_640),
  procedure("169690007", "Rubella screening", 4_480),
  procedure("104326007", "Measurement of Varicella-zoster virus antibody", 5_020),
  procedure("28163009", "Skin test for tuberculosis", 2_770),
  procedure("167271000", "Urine protein test", 2_150),
  procedure("5880005", "Physical examination of mother", 6_900),
];

/** What is done at every later prenatal visit. */
export const EACH_PRENATAL: readonly ProcedureKind[] = [
  procedure("274804006", "Evaluation of uterine fundal height", 3_660),
  procedure("225158009", "Auscultation of the fetal heart", 3_660),
];
