import { dateText, dateTimeText, instantText, localDay, YEAR } from "../calendar.js";
import type { Chart } from "../chart.js";
import { bareConcept, code, SYSTEM } from "../code.js";
import type { ClaimFact, ClaimLine, CoverageFact, Fact } from "../fact.js";
import { jsonString, moneyText, periodJson, referenceJson } from "../json-text.js";
import { PAYERS } from "../table/payer.js";
import { organizationOf, subject } from "./encounter.js";
import { displayName } from "./patient.js";
import { head, type RenderOptions } from "./resource.js";

const CLAIM_TYPE = "http://terminology.hl7.org/CodeSystem/claim-type";

/** A Money in US dollars from a literal. */
export function usd(literal: string): string {
  return `{"value":${literal},"currency":"USD"}`;
}

/** A claim line's product with the CPT code that a biller adds (its wording is licensed, so it has none). */
export function productConcept(line: ClaimLine): string {
  const { product, cpt } = line;
  if (cpt === undefined) return product.concept;
  return `{"coding":[${product.coding},{"system":"${SYSTEM.cpt}","code":"${cpt}"}],"text":${jsonString(product.display)}}`;
}

const POLICY = {
  public: code("http://terminology.hl7.org/CodeSystem/v3-ActCode", "PUBLICPOL", "public healthcare"),
  private: code("http://terminology.hl7.org/CodeSystem/v3-ActCode", "EHCPOL", "extended healthcare"),
  self: code("http://terminology.hl7.org/CodeSystem/coverage-selfpay", "pay", "Pay"),
} as const;

/** The Coverage resource. */
export function coverageText(chart: Chart, fact: CoverageFact, options: RenderOptions): string {
  const payer = PAYERS[fact.payer]!;
  const type = `{"coding":[${POLICY[payer.kind].coding}],"text":"${payer.name}"}`;
  const end = fact.end === undefined ? undefined : dateText(localDay(fact.end));
  return (
    `${head("Coverage", fact, options, "coverage")},"status":"${end === undefined ? "active" : "cancelled"}","type":${type},` +
    `"subscriberId":"${fact.subscriber}","beneficiary":${subject(chart)},` +
    `"relationship":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/subscriber-relationship","code":"self"}]},` +
    `"period":${periodJson(dateText(localDay(fact.start)), end)},` +
    `"payor":[${referenceJson("Organization", chart.facilities.payerIds[fact.payer]!, payer.name)}]}`
  );
}

/** The parts of a claim that repeat what it is about: supporting procedures and vaccines, diagnoses, and the items. */
function claimParts(fact: ClaimFact): string {
  const supporting: string[] = [];
  const items: string[] = [];
  fact.lines.forEach((line, i) => {
    let information = "";
    if (line.source !== undefined) {
      const sequence = supporting.length + 1;
      information = `"informationSequence":[${sequence}],`;
      supporting.push(
        `{"sequence":${sequence},"category":${bareConcept("http://terminology.hl7.org/CodeSystem/claiminformationcategory", "info")},` +
          `"valueReference":{"reference":"${line.source.type}/${line.source.id}"}}`,
      );
    }
    const diagnosis = line.diagnosis === undefined ? -1 : fact.diagnoses.indexOf(line.diagnosis);
    const about = diagnosis < 0 ? "" : `"diagnosisSequence":[${diagnosis + 1}],`;
    const net = line.cents === undefined ? "" : `,"net":${usd(moneyText(line.cents))}`;
    const encounter = i === 0 ? `,"encounter":[{"reference":"Encounter/${fact.encounter.id}"}]` : "";
    items.push(
      `{"sequence":${i + 1},${about}${information}"productOrService":${productConcept(line)}${net}${encounter}}`,
    );
  });
  const info = supporting.length === 0 ? "" : `"supportingInfo":[${supporting.join(",")}],`;
  const diagnoses = fact.diagnoses.map(
    ({ id }, i) => `{"sequence":${i + 1},"diagnosisReference":{"reference":"Condition/${id}"}}`,
  );
  const why = diagnoses.length === 0 ? "" : `"diagnosis":[${diagnoses.join(",")}],`;
  return `${info}${why}"insurance":[${insurance(fact)}],"item":[${items.join(",")}]`;
}

function insurance(fact: ClaimFact): string {
  const { coverage } = fact;
  return `{"sequence":1,"focal":true,"coverage":${referenceJson("Coverage", coverage.id, PAYERS[coverage.payer]!.name)}}`;
}

/** The Claim resource: of a visit, or of a prescription. */
export function claimText(chart: Chart, fact: ClaimFact, options: RenderOptions): string {
  const { encounter, medication } = fact;
  const start = dateTimeText(encounter.start);
  const end = dateTimeText(encounter.end);
  const prescription =
    medication === undefined ? "" : `"prescription":{"reference":"MedicationRequest/${medication.id}"},`;
  return (
    `${head("Claim", fact, options)},"status":"${fact.status}","type":${bareConcept(CLAIM_TYPE, fact.type)},"use":"claim",` +
    `"patient":${referenceJson("Patient", chart.patient.id, displayName(chart.person))},"billablePeriod":${periodJson(start, end)},` +
    `"created":"${instantText(fact.createdAtMs)}","provider":${organizationOf(chart, encounter)},` +
    `"priority":${bareConcept("http://terminology.hl7.org/CodeSystem/processpriority", "normal")},${prescription}` +
    `${claimParts(fact)},"total":${usd(moneyText(fact.totalCents))}}`
  );
}

const BLUE_BUTTON = "https://bluebutton.cms.gov/resources";
const TERMINOLOGY = "http://terminology.hl7.org/CodeSystem";
const SUBMITTED = code(`${TERMINOLOGY}/adjudication`, "submitted", "Submitted Amount");
const PRIMARY_CARE = code(`${TERMINOLOGY}/claimcareteamrole`, "primary", "Primary Care Practitioner");
const MEDICAL_CARE = code(`${BLUE_BUTTON}/variables/line_cms_type_srvc_cd`, "1", "Medical care");
const IN_HOSPITAL = code(`${TERMINOLOGY}/ex-serviceplace`, "21", "Inpatient Hospital");
const OFF_CAMPUS = code(`${TERMINOLOGY}/ex-serviceplace`, "19", "Off Campus-Outpatient Hospital");

function adjudication(name: string, display: string, amount: string | undefined): string {
  const coding = `{"system":"${BLUE_BUTTON}/codesystem/adjudication","code":"${BLUE_BUTTON}/variables/${name}","display":"${display}"}`;
  const money = amount === undefined ? "" : `,"amount":${usd(amount)}`;
  return `{"category":{"coding":[${coding}]}${money}}`;
}

/** What the insurer made of a line. The shares are binary products written in full, as payers' systems export them. */
function adjudications(cents: number): string {
  const amount = cents / 100;
  return [
    adjudication("line_coinsrnc_amt", "Line Beneficiary Coinsurance Amount", String(amount * 0.2)),
    adjudication("line_prvdr_pmt_amt", "Line Provider Payment Amount", String(amount * 0.8)),
    adjudication("line_sbmtd_chrg_amt", "Line Submitted Charge Amount", moneyText(cents)),
    adjudication("line_alowd_chrg_amt", "Line Allowed Charge Amount", moneyText(cents)),
    adjudication("line_bene_ptb_ddctbl_amt", "Line Beneficiary Part B Deductible Amount", "0"),
    adjudication("line_prcsg_ind_cd", "Line Processing Indicator Code", undefined),
  ].join(",");
}

function benefitItem(fact: ClaimFact, line: ClaimLine, i: number, period: string): string {
  const diagnosis = line.diagnosis === undefined ? -1 : fact.diagnoses.indexOf(line.diagnosis);
  const about = diagnosis < 0 ? "" : `"diagnosisSequence":[${diagnosis + 1}],`;
  const money =
    line.cents === undefined
      ? ""
      : `,"net":${usd(moneyText(line.cents))},"adjudication":[${adjudications(line.cents)}]`;
  const encounter = i === 0 ? `,"encounter":[{"reference":"Encounter/${fact.encounter.id}"}]` : "";
  const place = fact.encounter.kind.place === "hospital" ? IN_HOSPITAL : OFF_CAMPUS;
  return (
    `{"sequence":${i + 1},${about}"category":{"coding":[${MEDICAL_CARE.coding}]},` +
    `"productOrService":${productConcept(line)},"servicedPeriod":${period},` +
    `"locationCodeableConcept":{"coding":[${place.coding}]}${encounter}${money}}`
  );
}

function containedJson(chart: Chart, fact: ClaimFact, practitioner: string): string {
  const payer = PAYERS[fact.coverage.payer]!.name;
  return (
    `{"resourceType":"ServiceRequest","id":"referral","status":"completed","intent":"order","subject":${subject(chart)},` +
    `"requester":${practitioner},"performer":[${practitioner}]},` +
    `{"resourceType":"Coverage","id":"coverage","status":"active","type":{"text":"${payer}"},"beneficiary":${subject(chart)},` +
    `"payor":[{"display":"${payer}"}]}`
  );
}

function benefitDiagnoses(fact: ClaimFact): string {
  if (fact.diagnoses.length === 0) return "";
  const items = fact.diagnoses.map(
    ({ id }, i) =>
      `{"sequence":${i + 1},"diagnosisReference":{"reference":"Condition/${id}"},` +
      `"type":[${bareConcept("http://terminology.hl7.org/CodeSystem/ex-diagnosistype", "principal")}]}`,
  );
  return `"diagnosis":[${items.join(",")}],`;
}

/** The ExplanationOfBenefit resource that answers the claim of a visit. */
export function benefitText(chart: Chart, fact: ClaimFact, benefit: Fact, options: RenderOptions): string {
  const { encounter } = fact;
  const site = chart.facilities.sites[encounter.site]!;
  const practitioner = `{"reference":"Practitioner/${site.practitioners[encounter.practitioner]!.id}"}`;
  const payer = PAYERS[fact.coverage.payer]!.name;
  const end = dateTimeText(encounter.end);
  const serviced = periodJson(dateTimeText(encounter.start), end);
  const items = fact.lines.map((line, i) => benefitItem(fact, line, i, serviced));
  const lineCents = fact.lines.reduce((sum, { cents }) => sum + (cents ?? 0), 0);
  return (
    `${head("ExplanationOfBenefit", benefit, options)},"contained":[${containedJson(chart, fact, practitioner)}],` +
    `"identifier":[{"system":"${BLUE_BUTTON}/variables/clm_id","value":"${fact.id}"},` +
    `{"system":"${BLUE_BUTTON}/identifier/claim-group","value":"99999999999"}],` +
    `"status":"${fact.status}","type":${bareConcept(CLAIM_TYPE, fact.type)},"use":"claim","patient":${subject(chart)},` +
    `"billablePeriod":${periodJson(end, dateTimeText(encounter.end + YEAR))},"created":"${instantText(fact.createdAtMs)}",` +
    `"insurer":{"display":"${payer}"},"provider":${practitioner},"referral":{"reference":"#referral"},` +
    `"claim":{"reference":"Claim/${fact.id}"},"outcome":"complete",` +
    `"careTeam":[{"sequence":1,"provider":${practitioner},"role":{"coding":[${PRIMARY_CARE.coding}]}}],` +
    `${benefitDiagnoses(fact)}"insurance":[{"focal":true,"coverage":{"reference":"#coverage","display":"${payer}"}}],"item":[${items.join(",")}],` +
    `"total":[{"category":${SUBMITTED.concept},"amount":${usd(moneyText(fact.totalCents))}}],` +
    `"payment":{"amount":${usd(lineCents === 0 ? "0.0" : String((lineCents / 100) * 0.8))}}}`
  );
}
