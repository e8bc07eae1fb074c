import { type Code, snomed } from "../code.js";
import { type Weighted, weighted } from "../random.js";
import { type CareProgram, PROGRAM } from "./care-program.js";
import { type ClinicalCode, diagnosis } from "./clinical-code.js";
import { DRUG, type Drug } from "./drug.js";
import { VISIT, type VisitKind } from "./visit.js";

/** An illness or injury that comes and goes: where it is seen, how long it lasts, what is done about it. */
export interface AcuteIllness {
  readonly code: ClinicalCode;
  readonly visit: VisitKind;
  /** Shortest and longest time to recovery, in days. */
  readonly days: readonly [number, number];
  readonly drugs: readonly Drug[];
  readonly procedures: readonly Code[];
  readonly program: CareProgram | undefined;
  /** True when a temperature is taken. */
  readonly fever: boolean;
  readonly followUp: boolean;
}

function illness(
  code: ClinicalCode,
  visit: VisitKind,
  days: readonly [number, number],
  rest: Partial<Omit<AcuteIllness, "code" | "visit" | "days">> = {},
): AcuteIllness {
  return {
    code,
    visit,
    days,
    drugs: rest.drugs ?? [],
    procedures: rest.procedures ?? [],
    program: rest.program,
    fever: rest.fever ?? false,
    followUp: rest.followUp ?? false,
  };
}

const culture = snomed("117015009", "Throat culture (procedure)");
const suture = snomed("288086009", "Suture open wound");
const immobilization = snomed("274474001", "Bone immobilization");
const urineCulture = snomed("117010004", "Urine culture");
const chestXray = snomed("399208008", "Plain chest X-ray (procedure)");

const laceration = { drugs: [DRUG.acetaminophen], procedures: [suture], program: PROGRAM.wound };
const fracture = (xray: Code) => ({
  drugs: [DRUG.oxycodone],
  procedures: [xray, immobilization],
  program: PROGRAM.fracture,
  followUp: true,
});

const otitis = illness(
  diagnosis("65363002", "Otitis media", "H66.90", "Otitis media, unspecified, unspecified ear"),
  VISIT.symptom,
  [10, 60],
  { drugs: [DRUG.amoxicillin], fever: true },
);
const strep = illness(
  diagnosis("43878008", "Streptococcal sore throat (disorder)", "J02.0", "Streptococcal pharyngitis"),
  VISIT.symptom,
  [7, 15],
  { drugs: [DRUG.penicillin], procedures: [culture], fever: true },
);
const viralSinusitis = illness(
  diagnosis("444814009", "Viral sinusitis (disorder)", "J01.90", "Acute sinusitis, unspecified"),
  VISIT.symptom,
  [7, 28],
);
const pharyngitis = illness(
  diagnosis("195662009", "Acute viral pharyngitis (disorder)", "J02.9", "Acute pharyngitis, unspecified"),
  VISIT.symptom,
  [7, 15],
  { fever: true },
);
const bronchitis = illness(
  diagnosis("10509002", "Acute bronchitis (disorder)", "J20.9", "Acute bronchitis, unspecified"),
  VISIT.symptom,
  [7, 21],
  {
    drugs: [DRUG.acetaminophen],
    procedures: [snomed("23426006", "Measurement of respiratory function (procedure)")],
    program: PROGRAM.respiratory,
  },
);
const influenza = illness(
  diagnosis(
    "6142004",
    "Influenza",
    "J11.1",
    "Influenza due to unidentified influenza virus with other respiratory manifestations",
  ),
  VISIT.video,
  [5, 14],
  { drugs: [DRUG.dextromethorphan], fever: true },
);
const covid = illness(diagnosis("840539006", "COVID-19", "U07.1"), VISIT.video, [5, 30], { fever: true });
const ankle = illness(
  diagnosis(
    "44465007",
    "Sprain of ankle",
    "S93.409A",
    "Sprain of unspecified ligament of unspecified ankle, initial encounter",
  ),
  VISIT.urgentCare,
  [14, 40],
  { drugs: [DRUG.ibuprofen], program: PROGRAM.physicalTherapy },
);
const wrist = illness(
  diagnosis(
    "70704007",
    "Sprain of wrist",
    "S63.509A",
    "Unspecified sprain of unspecified wrist, initial encounter",
  ),
  VISIT.urgentCare,
  [14, 40],
  { drugs: [DRUG.naproxen], program: PROGRAM.physicalTherapy },
);
const concussion = illness(
  diagnosis("62106007", "Concussion with no loss of consciousness", "S06.0X0A"),
  VISIT.emergency,
  [14, 90],
  { followUp: true },
);

const shared: readonly (readonly [AcuteIllness, number])[] = [
  [viralSinusitis, 166],
  [pharyngitis, 108],
  [bronchitis, 74],
  [influenza, 22],
  [covid, 20],
  [ankle, 26],
  [wrist, 10],
  [concussion, 7],
  [
    illness(diagnosis("284551006", "Laceration of foot", "S91.319A"), VISIT.emergency, [10, 30], laceration),
    11,
  ],
  [
    illness(
      diagnosis("283371005", "Laceration of forearm", "S51.819A"),
      VISIT.emergency,
      [10, 30],
      laceration,
    ),
    5,
  ],
  [
    illness(diagnosis("284549007", "Laceration of hand", "S61.419A"), VISIT.emergency, [10, 30], laceration),
    5,
  ],
  [
    illness(diagnosis("283385000", "Laceration of thigh", "S71.119A"), VISIT.emergency, [10, 30], laceration),
    3,
  ],
  [
    illness(diagnosis("403190006", "First degree burn", "T30.0"), VISIT.emergency, [5, 20], {
      drugs: [DRUG.ibuprofen],
      program: PROGRAM.burn,
    }),
    11,
  ],
  [
    illness(
      diagnosis("65966004", "Fracture of forearm", "S52.90XA"),
      VISIT.emergency,
      [30, 90],
      fracture(snomed("60027007", "X-ray or wrist")),
    ),
    5,
  ],
  [
    illness(
      diagnosis("58150001", "Fracture of clavicle", "S42.009A"),
      VISIT.emergency,
      [30, 90],
      fracture(snomed("168594001", "Clavicle X-ray")),
    ),
    5,
  ],
  [
    illness(
      diagnosis("16114001", "Fracture of ankle", "S82.899A"),
      VISIT.emergency,
      [30, 90],
      fracture(snomed("19490002", "Ankle X-ray")),
    ),
    3,
  ],
  [illness(diagnosis("24079001", "Atopic dermatitis", "L20.9"), VISIT.symptom, [20, 200]), 4],
  [illness(diagnosis("40275004", "Contact dermatitis", "L25.9"), VISIT.symptom, [7, 40]), 4],
  [
    illness(
      diagnosis("233604007", "Pneumonia", "J18.9", "Pneumonia, unspecified organism"),
      VISIT.inpatient,
      [7, 28],
      { drugs: [DRUG.amoxicillinClavulanate], procedures: [chestXray], fever: true, followUp: true },
    ),
    6,
  ],
];

const childOnly: readonly (readonly [AcuteIllness, number])[] = [
  [otitis, 140],
  [strep, 60],
];

const adultOnly: readonly (readonly [AcuteIllness, number])[] = [
  [
    illness(diagnosis("36971009", "Sinusitis (disorder)", "J32.9"), VISIT.symptom, [14, 60], {
      drugs: [DRUG.amoxicillinClavulanate],
      followUp: true,
    }),
    12,
  ],
  [
    illness(
      diagnosis("75498004", "Acute bacterial sinusitis (disorder)", "J01.90"),
      VISIT.symptom,
      [14, 40],
      {
        drugs: [DRUG.amoxicillinClavulanate],
        procedures: [snomed("112790001", "Nasal sinus endoscopy (procedure)")],
      },
    ),
    6,
  ],
  [strep, 9],
  [
    illness(diagnosis("39848009", "Whiplash injury to neck", "S13.4XXA"), VISIT.emergency, [14, 60], {
      drugs: [DRUG.naproxen],
      program: PROGRAM.musculoskeletal,
    }),
    11,
  ],
  [
    illness(diagnosis("38822007", "Cystitis", "N30.90"), VISIT.symptom, [4, 14], {
      drugs: [DRUG.nitrofurantoin],
      procedures: [urineCulture],
      program: PROGRAM.urinary,
    }),
    10,
  ],
  [
    illness(
      diagnosis("301011002", "Escherichia coli urinary tract infection", "N39.0"),
      VISIT.urgentCare,
      [4, 14],
      { drugs: [DRUG.nitrofurantoin], procedures: [urineCulture], program: PROGRAM.urinary },
    ),
    4,
  ],
  [
    illness(diagnosis("196416002", "Impacted molars", "K01.1"), VISIT.outpatient, [14, 60], {
      drugs: [DRUG.hydrocodone],
      procedures: [snomed("65546002", "Extraction of wisdom tooth")],
    }),
    8,
  ],
  [
    illness(diagnosis("68496003", "Polyp of colon", "K63.5"), VISIT.outpatient, [60, 300], {
      procedures: [snomed("73761001", "Colonoscopy"), snomed("274031008", "Rectal polypectomy")],
    }),
    8,
  ],
  [
    illness(diagnosis("239720000", "Tear of meniscus of knee", "S83.209A"), VISIT.surgery, [60, 200], {
      drugs: [DRUG.hydrocodone],
      procedures: [
        snomed("74016001", "Knee X-ray"),
        snomed("699253003", "Surgical manipulation of joint of knee"),
      ],
      program: PROGRAM.physicalTherapy,
      followUp: true,
    }),
    4,
  ],
  [
    illness(diagnosis("74400008", "Appendicitis", "K37"), VISIT.surgery, [7, 20], {
      drugs: [DRUG.hydrocodone],
      procedures: [snomed("80146002", "Appendectomy")],
      followUp: true,
    }),
    5,
  ],
  [
    illness(
      diagnosis(
        "22298006",
        "Myocardial infarction (disorder)",
        "I21.9",
        "Acute myocardial infarction, unspecified",
      ),
      VISIT.inpatient,
      [10, 60],
      {
        drugs: [DRUG.clopidogrel, DRUG.nitroglycerin],
        procedures: [snomed("40701008", "Echocardiography (procedure)")],
        followUp: true,
      },
    ),
    3,
  ],
  [
    illness(
      diagnosis("230690007", "Stroke", "I63.9", "Cerebral infarction, unspecified"),
      VISIT.inpatient,
      [20, 120],
      { drugs: [DRUG.clopidogrel], followUp: true },
    ),
    3,
  ],
  [illness(diagnosis("55680006", "Drug overdose", "T50.901A"), VISIT.emergency, [2, 14]), 4],
];

/** What children and adults come down with, weighted by how often (after the shares in Synthea populations). */
export const ACUTE: { readonly child: Weighted<AcuteIllness>; readonly adult: Weighted<AcuteIllness> } = {
  child: weighted([...shared, ...childOnly]),
  adult: weighted([...shared, ...adultOnly]),
};
