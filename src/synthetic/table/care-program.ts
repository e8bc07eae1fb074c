import { type Code, snomed } from "../code.js";

/** What a CarePlan is about and what it asks for. */
export interface CareProgram {
  readonly category: Code;
  readonly activities: readonly Code[];
}

function program(
  value: string,
  display: string,
  ...activities: readonly (readonly [string, string])[]
): CareProgram {
  return { category: snomed(value, display), activities: activities.map(([c, d]) => snomed(c, d)) };
}

/** The care programs by name. */
export const PROGRAM = {
  respiratory: program(
    "53950000",
    "Respiratory therapy",
    ["304510005", "Recommendation to avoid exercise"],
    ["371605008", "Deep breathing and coughing exercises"],
  ),
  diabetes: program(
    "698360004",
    "Diabetes self management plan",
    ["160670007", "Diabetic diet"],
    ["229065009", "Exercise therapy"],
  ),
  hypertension: program(
    "443402002",
    "Lifestyle education regarding hypertension",
    ["386463000", "Prescribed activity/exercise education"],
    ["413473000", "Counseling about alcohol consumption"],
    ["1151000175103", "Dietary approaches to stop hypertension diet"],
  ),
  physicalTherapy: program(
    "91251008",
    "Physical therapy procedure",
    ["229586001", "Rest, ice, compression and elevation treatment programme"],
    ["229070002", "Stretching and strengthening exercises"],
  ),
  musculoskeletal: program(
    "408869004",
    "Musculoskeletal care",
    ["386294003", "Joint mobility therapy"],
    ["266694003", "Heat therapy"],
  ),
  antenatal: program(
    "134435003",
    "Routine antenatal care",
    ["135892000", "Antenatal education"],
    ["713076009", "Antenatal risk assessment"],
    ["312404004", "Antenatal blood tests"],
  ),
  wound: program(
    "225358003",
    "Wound care",
    ["385949008", "Dressing change management"],
    ["439830001", "Behavior to prevent infection"],
  ),
  burn: program(
    "133901003",
    "Burn care",
    ["385949008", "Dressing change management"],
    ["439830001", "Behavior to prevent infection"],
  ),
  fracture: program(
    "385691007",
    "Fracture care",
    ["183051005", "Recommendation to rest"],
    ["408580007", "Physical activity target light exercise"],
  ),
  lipid: program(
    "736285004",
    "Hyperlipidemia clinical management plan",
    ["281036007", "Cholesterol-lowering diet"],
    ["229065009", "Exercise therapy"],
  ),
  asthma: program(
    "699728000",
    "Asthma self management",
    ["440565004", "Inhaled steroid therapy"],
    ["371605008", "Deep breathing and coughing exercises"],
  ),
  copd: program(
    "412776001",
    "Chronic obstructive pulmonary disease clinical management plan",
    ["15081005", "Pulmonary rehabilitation (regime/therapy)"],
    ["182922004", "Dietary regime"],
  ),
  allergy: program(
    "384758001",
    "Self-care interventions (procedure)",
    ["409002", "Food allergy diet"],
    ["58332002", "Allergy education"],
  ),
  mental: program(
    "736254008",
    "Psychosocial care plan",
    ["228557008", "Cognitive and behavioral therapy"],
    ["229065009", "Exercise therapy"],
  ),
  cancer: program(
    "736252007",
    "Cancer care plan",
    ["367336001", "Chemotherapy (procedure)"],
    ["229065009", "Exercise therapy"],
  ),
  urinary: program("869761000000107", "Urinary tract infection care", [
    "223472008",
    "Discussion about hygiene",
  ]),
  dementia: program("386257007", "Demential management", ["226234005", "Healthy diet"]),
} as const satisfies Record<string, CareProgram>;
