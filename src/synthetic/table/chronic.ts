import { type Code, snomed } from "../code.js";
import { type Analyte, FINDING, LAB, PANEL, type Panel, VITAL } from "./analyte.js";
import { type CareProgram, PROGRAM } from "./care-program.js";
import { type ClinicalCode, diagnosis } from "./clinical-code.js";
import { DRUG, type Drug } from "./drug.js";
import { VISIT, type VisitKind } from "./visit.js";

/** A disease that stays: who has it, from what age, and what each follow-up visit does. */
export interface ChronicDisease {
  readonly name: string;
  readonly code: ClinicalCode;
  readonly sex: "male" | "female" | "any";
  /** Share of people who have it, at ages below 18, 18-39, 40-59, 60-74, 75 and over. */
  readonly prevalence: readonly [number, number, number, number, number];
  /** Earliest age of onset, in years. */
  readonly from: number;
  readonly visit: VisitKind;
  readonly visitsPerYear: number;
  /** Drugs ordered again at each visit. */
  readonly drugs: readonly Drug[];
  readonly tests: readonly Analyte[];
  readonly panel: Panel | undefined;
  readonly procedures: readonly { readonly code: Code; readonly share: number; readonly cents: number }[];
  readonly program: CareProgram | undefined;
}

type Shares = ChronicDisease["prevalence"];

function disease(
  name: string,
  code: ClinicalCode,
  prevalence: Shares,
  from: number,
  rest: Partial<Omit<ChronicDisease, "name" | "code" | "prevalence" | "from">>,
): ChronicDisease {
  return {
    name,
    code,
    prevalence,
    from,
    sex: rest.sex ?? "any",
    visit: rest.visit ?? VISIT.followUp,
    visitsPerYear: rest.visitsPerYear ?? 1,
    drugs: rest.drugs ?? [],
    tests: rest.tests ?? [],
    panel: rest.panel,
    procedures: rest.procedures ?? [],
    program: rest.program,
  };
}

function done(
  value: string,
  display: string,
  share: number,
  cents: number,
): ChronicDisease["procedures"][number] {
  return { code: snomed(value, display), share, cents };
}

/** The chronic diseases beside diabetes and hypertension, which have stories of their own. */
export const CHRONIC: readonly ChronicDisease[] = [
  disease(
    "hyperlipidemia",
    diagnosis("55822004", "Hyperlipidemia", "E78.5", "Hyperlipidemia, unspecified"),
    [0, 0.05, 0.2, 0.3, 0.3],
    25,
    { visitsPerYear: 1.4, drugs: [DRUG.simvastatin10], panel: PANEL.lipid, program: PROGRAM.lipid },
  ),
  disease(
    "anemia",
    diagnosis("271737000", "Anemia (disorder)", "D64.9", "Anemia, unspecified"),
    [0.01, 0.07, 0.09, 0.11, 0.14],
    12,
    {
      visitsPerYear: 0.6,
      drugs: [DRUG.ferrous],
      panel: PANEL.bloodCount,
      tests: [LAB.ferritin],
      procedures: [done("104091002", "Hemoglobin / Hematocrit / Platelet count", 0.7, 4_800)],
    },
  ),
  disease(
    "asthma",
    diagnosis("195967001", "Asthma", "J45.909", "Unspecified asthma, uncomplicated"),
    [0.09, 0.07, 0.06, 0.05, 0.04],
    3,
    {
      visit: VISIT.asthma,
      visitsPerYear: 1,
      drugs: [DRUG.fluticasone, DRUG.albuterol],
      procedures: [done("171231001", "Asthma screening", 0.5, 5_100)],
      program: PROGRAM.asthma,
    },
  ),
  disease(
    "copd",
    diagnosis(
      "185086009",
      "Chronic obstructive bronchitis (disorder)",
      "J44.9",
      "Chronic obstructive pulmonary disease, unspecified",
    ),
    [0, 0, 0.02, 0.06, 0.1],
    45,
    {
      visitsPerYear: 2,
      drugs: [DRUG.fluticasoneSalmeterol],
      tests: [FINDING.spirometry, VITAL.saturation],
      procedures: [
        done("127783003", "Spirometry (procedure)", 0.8, 16_200),
        done("15081005", "Pulmonary rehabilitation (regime/therapy)", 0.8, 20_400),
      ],
      program: PROGRAM.copd,
    },
  ),
  disease(
    "fibrillation",
    diagnosis("49436004", "Atrial Fibrillation", "I48.91", "Unspecified atrial fibrillation"),
    [0, 0, 0.01, 0.05, 0.12],
    45,
    {
      visitsPerYear: 4,
      drugs: [DRUG.warfarin, DRUG.verapamil, DRUG.digoxin],
      tests: [LAB.inr, LAB.prothrombin, VITAL.heartRate],
      procedures: [
        done("180325003", "Electrical cardioversion", 0.55, 230_000),
        done("18286008", "Catheter ablation of tissue of heart", 0.1, 1_240_000),
      ],
    },
  ),
  disease(
    "coronary",
    diagnosis(
      "53741008",
      "Coronary Heart Disease",
      "I25.10",
      "Atherosclerotic heart disease of native coronary artery without angina pectoris",
    ),
    [0, 0, 0.03, 0.08, 0.12],
    42,
    {
      visitsPerYear: 2,
      drugs: [DRUG.simvastatin20, DRUG.clopidogrel, DRUG.nitroglycerin, DRUG.amlodipine],
      panel: PANEL.lipid,
      tests: [LAB.troponin],
    },
  ),
  disease(
    "osteoarthritis",
    diagnosis("239873007", "Osteoarthritis of knee", "M17.9", "Osteoarthritis of knee, unspecified"),
    [0, 0.01, 0.08, 0.16, 0.22],
    38,
    {
      visitsPerYear: 0.8,
      drugs: [DRUG.naproxen],
      tests: [VITAL.pain],
      procedures: [done("74016001", "Knee X-ray", 0.3, 41_200)],
      program: PROGRAM.musculoskeletal,
    },
  ),
  disease(
    "osteoporosis",
    diagnosis(
      "64859006",
      "Osteoporosis (disorder)",
      "M81.0",
      "Age-related osteoporosis without current pathological fracture",
    ),
    [0, 0, 0.01, 0.09, 0.16],
    55,
    {
      sex: "female",
      visitsPerYear: 0.7,
      drugs: [DRUG.alendronate],
      tests: [FINDING.boneDensity],
      procedures: [done("312681000", "Bone density scan (procedure)", 0.6, 26_000)],
    },
  ),
  disease(
    "hypothyroidism",
    diagnosis("83664006", "Idiopathic atrophic hypothyroidism", "E03.4", "Atrophy of thyroid (acquired)"),
    [0, 0.02, 0.05, 0.08, 0.09],
    22,
    { visitsPerYear: 1.2, drugs: [DRUG.levothyroxine], tests: [LAB.thyrotropin] },
  ),
  disease(
    "depression",
    diagnosis(
      "370143000",
      "Major depressive disorder",
      "F32.9",
      "Major depressive disorder, single episode, unspecified",
    ),
    [0.02, 0.09, 0.09, 0.07, 0.05],
    14,
    {
      visit: VISIT.video,
      visitsPerYear: 2.2,
      drugs: [DRUG.sertraline],
      tests: [FINDING.depression],
      procedures: [
        done("228557008", "Cognitive and behavioral therapy", 0.7, 15_900),
        done("171207006", "Depression screening", 0.5, 4_100),
      ],
      program: PROGRAM.mental,
    },
  ),
  disease(
    "migraine",
    diagnosis("124171000119105", "Chronic intractable migraine without aura", "G43.719"),
    [0.01, 0.04, 0.04, 0.02, 0.01],
    14,
    { visitsPerYear: 0.8, drugs: [DRUG.sumatriptan], tests: [VITAL.pain] },
  ),
  disease(
    "gout",
    diagnosis("90560007", "Gout", "M10.9", "Gout, unspecified"),
    [0, 0.005, 0.03, 0.05, 0.06],
    32,
    { visitsPerYear: 0.7, drugs: [DRUG.allopurinol], tests: [LAB.urate] },
  ),
  disease("epilepsy", diagnosis("84757009", "Epilepsy", "G40.909"), [0.006, 0.007, 0.008, 0.01, 0.01], 2, {
    visitsPerYear: 1.5,
    drugs: [DRUG.carbamazepine],
  }),
  disease("chronic-pain", diagnosis("82423001", "Chronic pain", "G89.29"), [0, 0.03, 0.07, 0.09, 0.1], 20, {
    visitsPerYear: 1.6,
    drugs: [DRUG.hydrocodone],
    tests: [VITAL.pain],
  }),
  disease(
    "rhinitis",
    diagnosis("446096008", "Perennial allergic rhinitis", "J30.89"),
    [0.06, 0.05, 0.04, 0.03, 0.01],
    3,
    {
      visit: VISIT.consultation,
      visitsPerYear: 1.4,
      drugs: [DRUG.cetirizine],
      tests: [LAB.dustMite, LAB.catDander, LAB.ragweed],
      procedures: [
        done("180256009", "Subcutaneous immunotherapy", 1, 9_400),
        done("395142003", "Allergy screening test", 0.2, 12_800),
      ],
    },
  ),
  disease(
    "sinusitis",
    diagnosis("40055000", "Chronic sinusitis (disorder)", "J32.9", "Chronic sinusitis, unspecified"),
    [0.01, 0.05, 0.06, 0.06, 0.05],
    10,
    { visitsPerYear: 0.5, drugs: [DRUG.loratadine] },
  ),
  disease(
    "attention",
    diagnosis("192127007", "Child attention deficit disorder", "F90.9"),
    [0.05, 0.012, 0, 0, 0],
    5,
    {
      visit: VISIT.consultation,
      visitsPerYear: 2,
      drugs: [DRUG.methylphenidate],
      procedures: [done("228557008", "Cognitive and behavioral therapy", 0.6, 15_900)],
    },
  ),
  disease(
    "dementia",
    diagnosis("26929004", "Alzheimer's disease (disorder)", "G30.9", "Alzheimer's disease, unspecified"),
    [0, 0, 0, 0.02, 0.13],
    65,
    { visitsPerYear: 2, drugs: [DRUG.donepezil], tests: [FINDING.mentalState], program: PROGRAM.dementia },
  ),
  disease(
    "breast-cancer",
    diagnosis("254837009", "Malignant neoplasm of breast (disorder)", "C50.919"),
    [0, 0.002, 0.02, 0.04, 0.05],
    32,
    {
      sex: "female",
      visit: VISIT.outpatient,
      visitsPerYear: 3,
      drugs: [DRUG.tamoxifen],
      panel: PANEL.bloodCount,
      procedures: [
        done("71651007", "Mammography (procedure)", 0.5, 31_000),
        done("367336001", "Chemotherapy (procedure)", 0.5, 720_000),
      ],
      program: PROGRAM.cancer,
    },
  ),
  disease(
    "prostate-cancer",
    diagnosis("126906006", "Neoplasm of prostate", "D49.59"),
    [0, 0, 0.01, 0.05, 0.09],
    48,
    {
      sex: "male",
      visit: VISIT.outpatient,
      visitsPerYear: 2,
      drugs: [DRUG.leuprolide],
      tests: [LAB.prostateAntigen, FINDING.prostateExam],
      procedures: [done("65575008", "Biopsy of prostate", 0.15, 182_000)],
      program: PROGRAM.cancer,
    },
  ),
  disease("alcoholism", diagnosis("7200002", "Alcoholism", "F10.20"), [0, 0.01, 0.02, 0.01, 0.005], 20, {
    visitsPerYear: 0.8,
    tests: [FINDING.alcohol],
  }),
];

/** Conditions that the stories of diabetes, blood pressure and pregnancy name. */
export const CONDITION = {
  type2: diagnosis(
    "44054006",
    "Diabetes mellitus type 2 (disorder)",
    "E11.9",
    "Type 2 diabetes mellitus without complications",
  ),
  type2Short: diagnosis("44054006", "Diabetes", "E11.9", "Type 2 diabetes mellitus without complications"),
  type1: diagnosis(
    "46635009",
    "Diabetes mellitus type 1 (disorder)",
    "E10.9",
    "Type 1 diabetes mellitus without complications",
  ),
  gestational: diagnosis(
    "11687002",
    "Gestational diabetes mellitus (disorder)",
    "O24.419",
    "Gestational diabetes mellitus in pregnancy, unspecified control",
  ),
  prediabetes: diagnosis("15777000", "Prediabetes", "R73.03"),
  familyHistory: diagnosis(
    "160303001",
    "Family history: Diabetes mellitus (situation)",
    "Z83.3",
    "Family history of diabetes mellitus",
  ),
  neuropathy: diagnosis("368581000119106", "Neuropathy due to type 2 diabetes mellitus (disorder)", "E11.40"),
  retinopathy: diagnosis(
    "422034002",
    "Diabetic retinopathy associated with type II diabetes mellitus (disorder)",
    "E11.319",
  ),
  nephropathy: diagnosis("127013003", "Diabetic renal disease (disorder)", "E11.21"),
  microalbuminuria: diagnosis(
    "90781000119102",
    "Microalbuminuria due to type 2 diabetes mellitus (disorder)",
    "E11.29",
  ),
  kidney2: diagnosis("431856006", "Chronic kidney disease stage 2 (disorder)", "N18.2"),
  kidney3: diagnosis("433144002", "Chronic kidney disease stage 3 (disorder)", "N18.30"),
  hypertension: diagnosis("59621000", "Hypertension", "I10", "Essential (primary) hypertension"),
  hypertensionEssential: diagnosis(
    "59621000",
    "Essential hypertension (disorder)",
    "I10",
    "Essential (primary) hypertension",
  ),
  obesity: diagnosis("162864005", "Body mass index 30+ - obesity (finding)", "E66.9", "Obesity, unspecified"),
  severeObesity: diagnosis("408512008", "Body mass index 40+ - severely obese (finding)", "E66.01"),
  pregnancy: diagnosis("72892002", "Normal pregnancy", "Z34.90"),
  miscarriage: diagnosis("19169002", "Miscarriage in first trimester", "O03.9"),
} as const satisfies Record<string, ClinicalCode>;
