import { type Code, loinc } from "../code.js";

/** How values of an analyte look and vary, and how they are written. */
export interface Analyte {
  readonly code: Code;
  readonly category: "vital-signs" | "laboratory" | "survey" | "social-history" | "exam" | "procedure";
  /** The unit as shown; empty for values that are not quantities. */
  readonly unit: string;
  /** The UCUM code of the unit. */
  readonly unitCode: string;
  /** Fraction digits of every value, trailing zeros kept. */
  readonly digits: number;
  readonly mean: number;
  readonly deviation: number;
  /** The laboratory's normal range; undefined ends are open. */
  readonly low: number | undefined;
  readonly high: number | undefined;
  /** The least and greatest value that the device reports; beyond it a comparator is written. Undefined: no limit. */
  readonly floor: number | undefined;
  readonly ceiling: number | undefined;
}

interface Range {
  readonly low?: number;
  readonly high?: number;
  readonly floor?: number;
  readonly ceiling?: number;
}

function analyte(
  category: Analyte["category"],
  value: string,
  display: string,
  unit: string | readonly [string, string],
  digits: number,
  mean: number,
  deviation: number,
  range: Range = {},
): Analyte {
  const [shown, ucum] = typeof unit === "string" ? [unit, unit] : unit;
  return {
    code: loinc(value, display),
    category,
    unit: shown,
    unitCode: ucum,
    digits,
    mean,
    deviation,
    low: range.low,
    high: range.high,
    floor: range.floor,
    ceiling: range.ceiling,
  };
}

function vital(
  value: string,
  display: string,
  unit: string | readonly [string, string],
  digits: number,
  mean = 0,
  deviation = 0,
): Analyte {
  return analyte("vital-signs", value, display, unit, digits, mean, deviation);
}

function lab(
  value: string,
  display: string,
  unit: string | readonly [string, string],
  digits: number,
  mean: number,
  deviation: number,
  range: Range = {},
): Analyte {
  return analyte("laboratory", value, display, unit, digits, mean, deviation, range);
}

/** Vital signs by name. */
export const VITAL = {
  pain: vital(
    "72514-3",
    "Pain severity - 0-10 verbal numeric rating [Score] - Reported",
    "{score}",
    0,
    2,
    1.4,
  ),
  bloodPressure: vital("85354-9", "Blood Pressure", "", 0),
  systolic: vital("8480-6", "Systolic Blood Pressure", ["mmHg", "mm[Hg]"], 0),
  diastolic: vital("8462-4", "Diastolic Blood Pressure", ["mmHg", "mm[Hg]"], 0),
  height: vital("8302-2", "Body Height", "cm", 1),
  weight: vital("29463-7", "Body Weight", "kg", 1),
  bodyMass: vital("39156-5", "Body Mass Index", "kg/m2", 2),
  bodyMassPercentile: vital(
    "59576-9",
    "Body mass index (BMI) [Percentile] Per age and gender",
    "%",
    3,
    54,
    24,
  ),
  heartRate: vital("8867-4", "Heart rate", "/min", 0, 80, 10),
  respiration: vital("9279-1", "Respiratory rate", "/min", 0, 14, 1.3),
  temperature: vital("8310-5", "Body temperature", "Cel", 3, 37.5, 0.35),
  saturation: vital("2708-6", "Oxygen saturation in Arterial blood", "%", 1, 97.2, 1.3),
  head: vital("9843-4", "Head Occipital-frontal circumference", "cm", 2, 46, 2.6),
  weightForLength: vital("77606-2", "Weight-for-length Per age and sex", "%", 3, 60, 22),
} as const satisfies Record<string, Analyte>;

/** Single laboratory tests by name. */
export const LAB = {
  hba1c: lab("4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood", "%", 1, 5.4, 0.3, {
    low: 4,
    high: 5.6,
    floor: 3.5,
    ceiling: 15,
  }),
  hba1cIfcc: lab(
    "59261-8",
    "Hemoglobin A1c/Hemoglobin.total in Blood by IFCC protocol",
    "mmol/mol",
    0,
    36,
    3,
    { low: 20, high: 38, floor: 15, ceiling: 140 },
  ),
  glucose: lab("2339-0", "Glucose", "mg/dL", 2, 88, 13, { low: 65, high: 99 }),
  urea: lab("6299-2", "Urea Nitrogen", "mg/dL", 2, 13, 3.5, { low: 7, high: 20 }),
  creatinine: lab("38483-4", "Creatinine", "mg/dL", 2, 1.0, 0.22, { low: 0.6, high: 1.3, floor: 0.3 }),
  calcium: lab("49765-1", "Calcium", "mg/dL", 2, 9.36, 0.48, { low: 8.5, high: 10.2 }),
  sodium: lab("2947-0", "Sodium", "mmol/L", 2, 140, 2.2, { low: 136, high: 144 }),
  potassium: lab("6298-4", "Potassium", "mmol/L", 2, 4.45, 0.4, { low: 3.7, high: 5.2 }),
  chloride: lab("2069-3", "Chloride", "mmol/L", 2, 106, 2.7, { low: 101, high: 111 }),
  carbonDioxide: lab("20565-8", "Carbon Dioxide", "mmol/L", 2, 24.3, 2.5, { low: 20, high: 29 }),
  cholesterol: lab("2093-3", "Total Cholesterol", "mg/dL", 2, 188, 24, { high: 200 }),
  triglycerides: lab("2571-8", "Triglycerides", "mg/dL", 2, 140, 28, { high: 150 }),
  ldl: lab("18262-6", "Low Density Lipoprotein Cholesterol", "mg/dL", 2, 103, 24, { high: 130 }),
  hdl: lab("2085-9", "High Density Lipoprotein Cholesterol", "mg/dL", 2, 60, 12, { low: 40 }),
  hemoglobin: lab("718-7", "Hemoglobin [Mass/volume] in Blood", "g/dL", 3, 14.3, 1.7, {
    low: 12,
    high: 17.5,
  }),
  mcv: lab("787-2", "MCV [Entitic volume] by Automated count", "fL", 3, 87.8, 4, { low: 80, high: 100 }),
  mch: lab("785-6", "MCH [Entitic mass] by Automated count", "pg", 3, 30.1, 1.7, { low: 27, high: 33 }),
  mchc: lab("786-4", "MCHC [Mass/volume] by Automated count", "g/dL", 3, 34.6, 0.8, { low: 33, high: 36 }),
  platelets: lab("777-3", "Platelets [#/volume] in Blood by Automated count", "10*3/uL", 2, 293, 80, {
    low: 150,
    high: 400,
  }),
  plateletWidth: lab(
    "32207-3",
    "Platelet distribution width [Entitic volume] in Blood by Automated count",
    "fL",
    2,
    328,
    95,
    { low: 150, high: 520 },
  ),
  plateletVolume: lab(
    "32623-1",
    "Platelet mean volume [Entitic volume] in Blood by Automated count",
    "fL",
    4,
    10.88,
    0.8,
    { low: 9.4, high: 12.3 },
  ),
  leukocytes: lab("6690-2", "Leukocytes [#/volume] in Blood by Automated count", "10*3/uL", 4, 7.0, 1.9, {
    low: 3.5,
    high: 10.5,
  }),
  erythrocytes: lab(
    "789-8",
    "Erythrocytes [#/volume] in Blood by Automated count",
    "10*6/uL",
    4,
    4.62,
    0.44,
    { low: 3.9, high: 5.7 },
  ),
  hematocrit: lab("4544-3", "Hematocrit [Volume Fraction] of Blood by Automated count", "%", 3, 42.3, 4, {
    low: 35,
    high: 50,
  }),
  erythrocyteWidth: lab(
    "21000-5",
    "Erythrocyte distribution width [Entitic volume] by Automated count",
    "fL",
    3,
    42.1,
    1.9,
    { low: 39, high: 46 },
  ),
  filtration: lab("33914-3", "Glomerular filtration rate/1.73 sq M.predicted", "mL/min", 3, 84, 12, {
    low: 60,
    ceiling: 90,
  }),
  filtrationLow: lab("33914-3", "Estimated Glomerular Filtration Rate", "mL/min/{1.73_m2}", 3, 38, 11, {
    low: 60,
    ceiling: 90,
  }),
  protein: lab("2885-2", "Protein [Mass/volume] in Serum or Plasma", "g/dL", 1, 7.0, 0.45, {
    low: 6.3,
    high: 8,
  }),
  albumin: lab("1751-7", "Albumin [Mass/volume] in Serum or Plasma", "g/dL", 4, 4.42, 0.5, {
    low: 3.5,
    high: 5.5,
  }),
  globulin: lab("10834-0", "Globulin [Mass/volume] in Serum by calculation", "g/L", 4, 27.6, 3.5, {
    low: 20,
    high: 35,
  }),
  bilirubin: lab("1975-2", "Bilirubin.total [Mass/volume] in Serum or Plasma", "mg/dL", 5, 0.61, 0.28, {
    high: 1.2,
    floor: 0.1,
  }),
  alkalinePhosphatase: lab(
    "6768-6",
    "Alkaline phosphatase [Enzymatic activity/volume] in Serum or Plasma",
    "U/L",
    3,
    76,
    28,
    { low: 20, high: 130 },
  ),
  alanine: lab(
    "1742-6",
    "Alanine aminotransferase [Enzymatic activity/volume] in Serum or Plasma",
    "U/L",
    3,
    35,
    12,
    { low: 7, high: 56 },
  ),
  aspartate: lab(
    "1920-8",
    "Aspartate aminotransferase [Enzymatic activity/volume] in Serum or Plasma",
    "U/L",
    3,
    23,
    8.5,
    { low: 8, high: 40 },
  ),
  microalbumin: lab("14959-1", "Microalbumin Creatinine Ratio", "mg/g", 2, 60, 60, { high: 30, floor: 3 }),
  thyrotropin: lab("3016-3", "Thyrotropin [Units/volume] in Serum or Plasma", "mIU/L", 3, 2.1, 1.0, {
    low: 0.4,
    high: 4.5,
    floor: 0.01,
  }),
  prothrombin: lab("5902-2", "Prothrombin time (PT)", "s", 1, 21, 5, { low: 10, high: 13 }),
  inr: lab("6301-6", "INR in Platelet poor plasma by Coagulation assay", ["INR", "{INR}"], 1, 2.4, 0.5, {
    low: 2,
    high: 3,
  }),
  troponin: lab("6598-7", "Troponin T.cardiac [Mass/volume] in Serum or Plasma", "ug/L", 2, 0.02, 0.06, {
    high: 0.04,
    floor: 0.01,
  }),
  reactiveProtein: lab("1988-5", "C reactive protein [Mass/volume] in Serum or Plasma", "mg/L", 1, 6, 8, {
    high: 5,
    floor: 0.6,
  }),
  prostateAntigen: lab(
    "2857-1",
    "Prostate specific Ag [Mass/volume] in Serum or Plasma",
    "ng/mL",
    2,
    1.8,
    1.6,
    { high: 4, floor: 0.1 },
  ),
  urate: lab("3084-1", "Urate [Mass/volume] in Serum or Plasma", "mg/dL", 1, 7.4, 1.6, {
    low: 3.5,
    high: 7.2,
  }),
  ferritin: lab("2276-4", "Ferritin [Mass/volume] in Serum or Plasma", "ng/mL", 1, 18, 9, {
    low: 15,
    high: 150,
  }),
  peanut: lab("6206-7", "Peanut IgE Ab in Serum", "kU/L", 3, 0.9, 2.2, {
    high: 0.35,
    floor: 0.1,
    ceiling: 100,
  }),
  catDander: lab("6833-8", "Cat dander IgE Ab in Serum", "kU/L", 3, 1.2, 3.1, {
    high: 0.35,
    floor: 0.1,
    ceiling: 100,
  }),
  dustMite: lab("6095-4", "American house dust mite IgE Ab in Serum", "kU/L", 3, 2.5, 3.4, {
    high: 0.35,
    floor: 0.1,
    ceiling: 100,
  }),
  ragweed: lab("6085-5", "Common Ragweed IgE Ab in Serum", "kU/L", 3, 3.1, 4.2, {
    high: 0.35,
    floor: 0.1,
    ceiling: 100,
  }),
} as const satisfies Record<string, Analyte>;

/** Observations that are not measured with a device. */
export const FINDING = {
  tobacco: analyte("survey", "72166-2", "Tobacco smoking status NHIS", "", 0, 0, 0),
  alcohol: analyte("survey", "75626-2", "Total score [AUDIT-C]", "{score}", 0, 2.2, 1.6),
  depression: analyte(
    "survey",
    "44261-6",
    "Patient Health Questionnaire 9 item (PHQ-9) total score [Reported]",
    "{score}",
    0,
    8,
    4.5,
  ),
  mentalState: analyte("survey", "72106-8", "Total score [MMSE]", "{score}", 0, 17, 4),
  lastPeriod: analyte("survey", "8665-2", "Last menstrual period start date", "", 0, 0, 0),
  housing: analyte("social-history", "71802-3", "Housing status", "", 0, 0, 0),
  insurance: analyte(
    "social-history",
    "63513-6",
    "Are you covered by health insurance or some other kind of health care plan [PhenX]",
    "",
    0,
    0,
    0,
  ),
  bloodGroup: analyte("laboratory", "883-9", "ABO group [Type] in Blood", "", 0, 0, 0),
  urineColor: analyte("laboratory", "5778-6", "Color of Urine", "", 0, 0, 0),
  urineClarity: analyte("laboratory", "32167-9", "Clarity of Urine", "", 0, 0, 0),
  urineNitrite: analyte("laboratory", "5802-4", "Nitrite [Presence] in Urine by Test strip", "", 0, 0, 0),
  urineLeukocytes: analyte(
    "laboratory",
    "5799-2",
    "Leukocyte esterase [Presence] in Urine by Test strip",
    "",
    0,
    0,
    0,
  ),
  prostateExam: analyte("exam", "32465-7", "Physical findings of Prostate", "", 0, 0, 0),
  spirometry: analyte("procedure", "19926-5", "FEV1/FVC", "%", 3, 62, 11),
  boneDensity: analyte("procedure", "38265-5", "DXA [T-score] Bone density", "{T-score}", 4, -2.7, 0.5),
} as const satisfies Record<string, Analyte>;

/** A panel: the report's code and its members in order. */
export interface Panel {
  readonly code: Code;
  readonly members: readonly Analyte[];
}

/** Laboratory panels by name. */
export const PANEL = {
  lipid: {
    code: loinc("57698-3", "Lipid Panel"),
    members: [LAB.cholesterol, LAB.triglycerides, LAB.ldl, LAB.hdl],
  },
  basic: {
    code: loinc("51990-0", "Basic Metabolic Panel"),
    members: [
      LAB.glucose,
      LAB.urea,
      LAB.creatinine,
      LAB.calcium,
      LAB.sodium,
      LAB.potassium,
      LAB.chloride,
      LAB.carbonDioxide,
    ],
  },
  comprehensive: {
    code: loinc("24323-8", "Comprehensive metabolic panel"),
    members: [
      LAB.glucose,
      LAB.urea,
      LAB.creatinine,
      LAB.calcium,
      LAB.sodium,
      LAB.potassium,
      LAB.chloride,
      LAB.carbonDioxide,
      LAB.filtration,
      LAB.protein,
      LAB.albumin,
      LAB.globulin,
      LAB.bilirubin,
      LAB.alkalinePhosphatase,
      LAB.alanine,
      LAB.aspartate,
    ],
  },
  bloodCount: {
    code: loinc("58410-2", "Complete blood count (hemogram) panel - Blood by Automated count"),
    members: [
      LAB.leukocytes,
      LAB.erythrocytes,
      LAB.hemoglobin,
      LAB.hematocrit,
      LAB.mcv,
      LAB.mch,
      LAB.mchc,
      LAB.erythrocyteWidth,
      LAB.platelets,
      LAB.plateletWidth,
      LAB.plateletVolume,
    ],
  },
  urine: {
    code: loinc("24357-6", "Urinalysis macro (dipstick) panel - Urine"),
    members: [FINDING.urineColor, FINDING.urineClarity, FINDING.urineNitrite, FINDING.urineLeukocytes],
  },
} as const satisfies Record<string, Panel>;
