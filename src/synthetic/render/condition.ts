import { civilOf, dateText, dateTimeText, localDay } from "../calendar.js";
import type { Chart } from "../chart.js";
import { bareConcept, code } from "../code.js";
import type { ConditionFact, FamilyHistoryFact, Onset } from "../fact.js";
import { jsonString } from "../json-text.js";
import { subject } from "./encounter.js";
import { head, type RenderOptions } from "./resource.js";

const CATEGORIES = "http://terminology.hl7.org/CodeSystem/condition-category";
const CATEGORY = {
  "encounter-diagnosis": code(CATEGORIES, "encounter-diagnosis", "Encounter Diagnosis"),
  "problem-list-item": code(CATEGORIES, "problem-list-item", "Problem List Item"),
} as const;

/** The onset as it is written: a dateTime, a date to the precision known; empty for an age or when unknown. */
export function onsetText(onset: Onset | undefined): string {
  switch (onset?.kind) {
    case "moment":
      return dateTimeText(onset.at);
    case "day":
      return dateText(localDay(onset.at));
    case "month":
      return dateText(localDay(onset.at)).slice(0, 7);
    case "year":
      return String(civilOf(localDay(onset.at)).year);
    case "age":
    case undefined:
      return "";
  }
}

function onset(fact: ConditionFact): string {
  if (fact.onset?.kind === "age") {
    return `,"onsetAge":{"value":${fact.onset.years},"unit":"years","system":"http://unitsofmeasure.org","code":"a"}`;
  }
  const text = onsetText(fact.onset);
  return text === "" ? "" : `,"onsetDateTime":"${text}"`;
}

/** The code as a CodeableConcept with the codings that this record carries. */
export function conditionConcept(fact: ConditionFact): string {
  const { snomed, icd10 } = fact.code;
  const codings =
    fact.codings === "snomed" || icd10 === undefined
      ? snomed.coding
      : fact.codings === "icd10"
        ? icd10.coding
        : `${snomed.coding},${icd10.coding}`;
  return `{"coding":[${codings}],"text":${jsonString(snomed.display)}}`;
}

/** The Condition resource. */
export function conditionText(chart: Chart, fact: ConditionFact, options: RenderOptions): string {
  const clinical =
    fact.clinical === undefined
      ? ""
      : `,"clinicalStatus":${bareConcept("http://terminology.hl7.org/CodeSystem/condition-clinical", fact.clinical)}`;
  const verification = bareConcept(
    "http://terminology.hl7.org/CodeSystem/condition-ver-status",
    fact.verification,
  );
  const category = `{"coding":[${CATEGORY[fact.category].coding}]}`;
  const encounter =
    fact.encounter === undefined ? "" : `,"encounter":{"reference":"Encounter/${fact.encounter.id}"}`;
  const abatement =
    fact.abatedAt === undefined ? "" : `,"abatementDateTime":"${dateTimeText(fact.abatedAt)}"`;
  return (
    `${head("Condition", fact, options, "condition-encounter-diagnosis")}${clinical},"verificationStatus":${verification},` +
    `"category":[${category}],"code":${conditionConcept(fact)},"subject":${subject(chart)}${encounter}` +
    `${onset(fact)}${abatement},"recordedDate":"${dateTimeText(fact.recordedAt)}"}`
  );
}

/** The FamilyMemberHistory resource. */
export function familyHistoryText(chart: Chart, fact: FamilyHistoryFact, options: RenderOptions): string {
  return (
    `${head("FamilyMemberHistory", fact, options)},"status":"completed","patient":${subject(chart)},` +
    `"date":"${dateText(localDay(fact.recordedAt))}","relationship":${fact.relative.concept},` +
    `"condition":[{"code":${fact.condition.concept}}]}`
  );
}
