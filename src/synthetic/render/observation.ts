import { dateTimeText, instantText } from "../calendar.js";
import type { Chart } from "../chart.js";
import { SYSTEM } from "../code.js";
import type { Measured, ObservationFact, ObservedValue, ReportFact } from "../fact.js";
import { decimalText, jsonString, referenceJson } from "../json-text.js";
import type { Analyte } from "../table/analyte.js";
import { subject } from "./encounter.js";
import { head, type RenderOptions } from "./resource.js";

function unit(analyte: Analyte): string {
  return analyte.unitCode === ""
    ? ""
    : `,"unit":"${analyte.unit}","system":"${SYSTEM.ucum}","code":"${analyte.unitCode}"`;
}

function quantity(analyte: Analyte, value: Measured): string {
  const comparator = value.comparator === undefined ? "" : `,"comparator":"${value.comparator}"`;
  return `{"value":${value.text}${comparator}${unit(analyte)}}`;
}

const ABSENT_REASON = "http://terminology.hl7.org/CodeSystem/data-absent-reason";

/** The value element of an observation or component, its name included. */
function valueElement(analyte: Analyte, value: ObservedValue): string {
  switch (value.kind) {
    case "quantity":
      return `"valueQuantity":${quantity(analyte, value)}`;
    case "concept":
      return `"valueCodeableConcept":${value.code.concept}`;
    case "text":
      return `"valueString":${jsonString(value.text)}`;
    case "integer":
      return `"valueInteger":${value.value}`;
    case "moment":
      return `"valueDateTime":"${dateTimeText(value.at).slice(0, 10)}"`;
    case "absent":
      return `"dataAbsentReason":{"coding":[{"system":"${ABSENT_REASON}","code":"${value.reason}"}]}`;
  }
}

function rangeJson(analyte: Analyte): string {
  const end = (value: number | undefined) =>
    value === undefined
      ? undefined
      : `{"value":${decimalText(value, Math.min(1, analyte.digits))}${unit(analyte)}}`;
  const parts = [
    ["low", end(analyte.low)],
    ["high", end(analyte.high)],
  ].flatMap(([name, json]) => (json === undefined ? [] : [`"${name}":${json}`]));
  return `{${parts.join(",")}}`;
}

const ranges = new Map<Analyte, string>();

function range(analyte: Analyte): string {
  let json = ranges.get(analyte);
  if (json === undefined) {
    json = rangeJson(analyte);
    ranges.set(analyte, json);
  }
  return json;
}

const INTERPRETATION = { H: "High", L: "Low", N: "Normal" } as const;

function interpretation(analyte: Analyte, amount: number): string {
  const flag =
    analyte.high !== undefined && amount > analyte.high
      ? "H"
      : analyte.low !== undefined && amount < analyte.low
        ? "L"
        : "N";
  const coding = `{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation","code":"${flag}","display":"${INTERPRETATION[flag]}"}`;
  return `,"interpretation":[{"coding":[${coding}],"text":"${INTERPRETATION[flag]}"}]`;
}

function conceptOf(analyte: Analyte, extraCoding: boolean): string {
  if (!extraCoding) return analyte.code.concept;
  const local = `{"system":"${SYSTEM.local}","code":"LAB${analyte.code.code.replace("-", "")}"}`;
  return `{"coding":[${local},${analyte.code.coding}],"text":${jsonString(analyte.code.display)}}`;
}

function observedValue(fact: ObservationFact): string {
  const { analyte, value } = fact;
  if (value.kind !== "components") return valueElement(analyte, value);
  const parts = value.parts.map(
    (part) => `{"code":${part.analyte.code.concept},${valueElement(part.analyte, part.value)}}`,
  );
  return `"component":[${parts.join(",")}]`;
}

/** The Observation resource. */
export function observationText(chart: Chart, fact: ObservationFact, options: RenderOptions): string {
  const { analyte, value } = fact;
  const category = `{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"${analyte.category}","display":"${analyte.category}"}`;
  const encounter =
    fact.encounter === undefined ? "" : `,"encounter":{"reference":"Encounter/${fact.encounter.id}"}`;
  const performer =
    fact.performer === undefined
      ? ""
      : `,"performer":[${referenceJson("Organization", chart.facilities.sites[fact.performer]!.organizationId)}]`;
  const ranged = fact.withRange && (analyte.low !== undefined || analyte.high !== undefined);
  const flag = ranged && value.kind === "quantity" ? interpretation(analyte, value.amount) : "";
  const note = fact.note === undefined ? "" : `,"note":[{"text":${jsonString(fact.note)}}]`;
  const reference = ranged ? `,"referenceRange":[${range(analyte)}]` : "";
  return (
    `${head("Observation", fact, options)},"status":"${fact.status}","category":[{"coding":[${category}]}],` +
    `"code":${conceptOf(analyte, fact.extraCoding)},"subject":${subject(chart)}${encounter},` +
    `"effectiveDateTime":"${dateTimeText(fact.at)}","issued":"${instantText(fact.issuedMs)}"${performer},` +
    `${observedValue(fact)}${flag}${note}${reference}}`
  );
}

const LABORATORY =
  '{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0074","code":"LAB","display":"Laboratory"}]}';

/** The DiagnosticReport resource. */
export function reportText(chart: Chart, fact: ReportFact, options: RenderOptions): string {
  const results = fact.results.map((result) =>
    referenceJson("Observation", result.id, result.analyte.code.display),
  );
  return (
    `${head("DiagnosticReport", fact, options, "diagnosticreport-lab")},"status":"${fact.status}","category":[${LABORATORY}],` +
    `"code":${fact.panel.code.concept},"subject":${subject(chart)},"encounter":{"reference":"Encounter/${fact.encounter.id}"},` +
    `"effectiveDateTime":"${dateTimeText(fact.at)}","issued":"${instantText(fact.issuedMs)}","result":[${results.join(",")}]}`
  );
}
