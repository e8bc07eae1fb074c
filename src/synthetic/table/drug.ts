import { type Code, rxnorm } from "../code.js";

/** A drug, how it is taken, and what one dispense costs. */
export interface Drug {
  readonly code: Code;
  /** The other wording that some systems show for the same code. */
  readonly otherDisplay: Code | undefined;
  readonly form: "tablet" | "capsule" | "puff" | "spray" | "mL" | "injection" | "device" | "pack";
  readonly timesPerDay: number;
  readonly asNeeded: boolean;
  readonly cents: number;
}

function drug(
  value: string,
  display: string,
  form: Drug["form"],
  timesPerDay: number,
  cents: number,
  options: { readonly asNeeded?: boolean; readonly other?: string } = {},
): Drug {
  return {
    code: rxnorm(value, display),
    otherDisplay: options.other === undefined ? undefined : rxnorm(value, options.other),
    form,
    timesPerDay,
    asNeeded: options.asNeeded ?? false,
    cents,
  };
}

/** The drugs by name (RxNorm codes and wordings as US systems show them). */
export const DRUG = {
  hydrochlorothiazide: drug("310798", "Hydrochlorothiazide 25 MG Oral Tablet", "tablet", 1, 1263),
  amlodipineCombination: drug(
    "999967",
    "amLODIPine 5 MG / Hydrochlorothiazide 12.5 MG / Olmesartan medoxomil 20 MG Oral Tablet",
    "tablet",
    1,
    9_820,
    { other: "amlodipine 5 MG / hydrochlorothiazide 12.5 MG / olmesartan medoxomil 20 MG Oral Tablet" },
  ),
  atenololCombination: drug(
    "746030",
    "Atenolol 50 MG / Chlorthalidone 25 MG Oral Tablet",
    "tablet",
    1,
    4_310,
  ),
  amlodipine: drug("197361", "Amlodipine 5 MG Oral Tablet", "tablet", 1, 1_550, {
    other: "amlodipine 5 MG Oral Tablet",
  }),
  lisinopril: drug("314076", "lisinopril 10 MG Oral Tablet", "tablet", 1, 1_120, {
    other: "Lisinopril 10 MG Oral Tablet",
  }),
  simvastatin10: drug("314231", "Simvastatin 10 MG Oral Tablet", "tablet", 1, 2_677),
  simvastatin20: drug("312961", "Simvastatin 20 MG Oral Tablet", "tablet", 1, 3_120, {
    other: "simvastatin 20 MG Oral Tablet",
  }),
  metformin: drug(
    "860975",
    "24 HR Metformin hydrochloride 500 MG Extended Release Oral Tablet",
    "tablet",
    2,
    2_140,
    { other: "24 HR metformin hydrochloride 500 MG Extended Release Oral Tablet" },
  ),
  insulin: drug(
    "106892",
    "insulin human, isophane 70 UNT/ML / Regular Insulin, Human 30 UNT/ML Injectable Suspension [Humulin]",
    "mL",
    2,
    28_944,
  ),
  liraglutide: drug("897122", "3 ML liraglutide 6 MG/ML Pen Injector", "mL", 1, 61_850),
  fluticasone: drug(
    "895994",
    "120 ACTUAT Fluticasone propionate 0.044 MG/ACTUAT Metered Dose Inhaler",
    "puff",
    2,
    21_377,
  ),
  albuterol: drug(
    "2123111",
    "NDA020503 200 ACTUAT Albuterol 0.09 MG/ACTUAT Metered Dose Inhaler",
    "puff",
    4,
    7_388,
    { asNeeded: true },
  ),
  fluticasoneSalmeterol: drug(
    "896209",
    "60 ACTUAT Fluticasone propionate 0.25 MG/ACTUAT / salmeterol 0.05 MG/ACTUAT Dry Powder Inhaler",
    "puff",
    2,
    25_950,
  ),
  warfarin: drug("855332", "Warfarin Sodium 5 MG Oral Tablet", "tablet", 1, 1_890),
  verapamil: drug("897718", "Verapamil Hydrochloride 40 MG", "tablet", 3, 2_214),
  digoxin: drug("197604", "Digoxin 0.125 MG Oral Tablet", "tablet", 1, 3_317),
  nitroglycerin: drug("705129", "Nitroglycerin 0.4 MG/ACTUAT Mucosal Spray", "spray", 1, 8_865, {
    asNeeded: true,
  }),
  clopidogrel: drug("309362", "Clopidogrel 75 MG Oral Tablet", "tablet", 1, 4_188),
  acetaminophen: drug("313782", "Acetaminophen 325 MG Oral Tablet", "tablet", 4, 568, { asNeeded: true }),
  naproxen: drug("849574", "Naproxen sodium 220 MG Oral Tablet", "tablet", 2, 866, { asNeeded: true }),
  ibuprofen: drug("310965", "Ibuprofen 200 MG Oral Tablet", "tablet", 3, 642, { asNeeded: true }),
  ibuprofenChild: drug("198405", "Ibuprofen 100 MG Oral Tablet", "tablet", 3, 595, { asNeeded: true }),
  amoxicillinClavulanate: drug(
    "562251",
    "Amoxicillin 250 MG / Clavulanate 125 MG Oral Tablet",
    "tablet",
    3,
    2_385,
  ),
  amoxicillin: drug("308182", "Amoxicillin 250 MG Oral Capsule", "capsule", 3, 1_016),
  penicillin: drug("834102", "Penicillin V Potassium 500 MG Oral Tablet", "tablet", 2, 1_330),
  dextromethorphan: drug(
    "1043400",
    "Acetaminophen 21.7 MG/ML / Dextromethorphan Hydrobromide 1 MG/ML / doxylamine succinate 0.417 MG/ML Oral Solution",
    "mL",
    4,
    1_190,
    { asNeeded: true },
  ),
  hydrocodone: drug(
    "856987",
    "Acetaminophen 300 MG / HYDROcodone Bitartrate 5 MG Oral Tablet",
    "tablet",
    4,
    3_240,
    { asNeeded: true, other: "acetaminophen 300 MG / hydrocodone bitartrate 5 MG Oral Tablet" },
  ),
  oxycodone: drug(
    "1049221",
    "Acetaminophen 325 MG / Oxycodone Hydrochloride 5 MG Oral Tablet",
    "tablet",
    4,
    3_555,
    { asNeeded: true, other: "Acetaminophen 325 MG / oxyCODONE Hydrochloride 5 MG Oral Tablet" },
  ),
  nitrofurantoin: drug("311989", "Nitrofurantoin 5 MG/ML Oral Suspension", "mL", 4, 5_440),
  loratadine: drug("665078", "Loratadine 5 MG Chewable Tablet", "tablet", 1, 1_455),
  cetirizine: drug("1014676", "cetirizine hydrochloride 5 MG Oral Tablet", "tablet", 1, 990, {
    asNeeded: true,
  }),
  levothyroxine: drug("966222", "Levothyroxine Sodium 0.075 MG Oral Tablet", "tablet", 1, 1_795, {
    other: "levothyroxine sodium 0.075 MG Oral Tablet",
  }),
  alendronate: drug("904419", "Alendronic acid 10 MG Oral Tablet", "tablet", 1, 2_450),
  allopurinol: drug("197319", "Allopurinol 100 MG Oral Tablet", "tablet", 1, 1_260),
  donepezil: drug(
    "1599803",
    "24 HR Donepezil hydrochloride 10 MG / Memantine hydrochloride 28 MG Extended Release Oral Capsule",
    "capsule",
    1,
    46_800,
  ),
  ferrous: drug("310325", "ferrous sulfate 325 MG Oral Tablet", "tablet", 1, 780),
  sertraline: drug("312941", "Sertraline 50 MG Oral Tablet", "tablet", 1, 1_670, {
    other: "sertraline 50 MG Oral Tablet",
  }),
  methylphenidate: drug("1091392", "Methylphenidate Hydrochloride 20 MG Oral Tablet", "tablet", 2, 5_320),
  contraceptivePack: drug("748879", "Levora 0.15/30 28 Day Pack", "pack", 1, 3_190),
  contraceptivePill: drug("757594", "Jolivette 28 Day Pack", "pack", 1, 3_390),
  intrauterineDevice: drug("807283", "Mirena 52 MG Intrauterine System", "device", 1, 98_330),
  epinephrine: drug("1870230", "NDA020800 0.3 ML Epinephrine 1 MG/ML Auto-Injector", "injection", 1, 30_466, {
    asNeeded: true,
  }),
  tamoxifen: drug("313195", "tamoxifen 20 MG Oral Tablet", "tablet", 1, 3_980),
  leuprolide: drug(
    "752899",
    "0.25 ML Leuprolide Acetate 30 MG/ML Prefilled Syringe",
    "injection",
    1,
    142_000,
  ),
  carbamazepine: drug("308973", "carbamazepine 20 MG/ML Oral Suspension [Tegretol]", "mL", 2, 9_140),
  sumatriptan: drug("313165", "sumatriptan 100 MG Oral Tablet", "tablet", 1, 4_460, { asNeeded: true }),
} as const satisfies Record<string, Drug>;

/** The UCUM code of the unit in which a dose of a form is counted. */
export const DOSE_UNIT: Readonly<Record<Drug["form"], string>> = {
  tablet: "{tablet}",
  capsule: "{capsule}",
  puff: "{puff}",
  spray: "{spray}",
  mL: "mL",
  injection: "{injection}",
  device: "{device}",
  pack: "{tablet}",
};
