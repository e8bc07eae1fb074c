/**
 * The part of FHIR R4 that generated resources and expressions use: enough of every kind of element (choices, lists,
 * backbones, recursion, content references, primitive lists) to reach every rule of the compiler.
 */

export interface Element {
  readonly name: string;
  /** One type, or the types of a choice element. */
  readonly types: readonly string[];
  readonly list: boolean;
}

export const primitiveTypes = [
  "string",
  "code",
  "uri",
  "id",
  "markdown",
  "base64Binary",
  "boolean",
  "integer",
  "positiveInt",
  "unsignedInt",
  "decimal",
  "wildDecimal",
  "date",
  "dateTime",
  "instant",
  "time",
  "referenceText",
] as const;

/** Elements as `name: type`, `name: type*` for lists, `name: a|b|c` for choices. */
const text: Record<string, string> = {
  Patient:
    "id:id, active:boolean, gender:code, birthDate:date, deceased:boolean|dateTime, multipleBirth:boolean|integer, name:HumanName*, telecom:ContactPoint*, address:Address*, identifier:Identifier*, contact:Patient.contact*, link:Patient.link*, managingOrganization:Reference, generalPractitioner:Reference*, maritalStatus:CodeableConcept, extension:Extension*, contained:Resource*, meta:Meta",
  "Patient.contact":
    "relationship:CodeableConcept*, name:HumanName, telecom:ContactPoint*, gender:code, period:Period, extension:Extension*",
  "Patient.link": "other:Reference, type:code",
  Observation:
    "id:id, status:code, code:CodeableConcept, category:CodeableConcept*, subject:Reference, effective:dateTime|Period|instant, issued:instant, value:Quantity|CodeableConcept|string|boolean|integer|Range|time|dateTime|Period, referenceRange:Observation.referenceRange*, component:Observation.component*, note:Annotation*, performer:Reference*, extension:Extension*, meta:Meta",
  "Observation.referenceRange":
    "low:WildQuantity, high:WildQuantity, text:string, appliesTo:CodeableConcept*",
  "Observation.component":
    "code:CodeableConcept, value:Quantity|string|boolean|integer|Range|dateTime, interpretation:CodeableConcept*, referenceRange:Observation.referenceRange*",
  Condition:
    "id:id, clinicalStatus:CodeableConcept, code:CodeableConcept, subject:Reference, onset:dateTime|string|Period|Range, abatement:dateTime|string, recordedDate:dateTime, stage:Condition.stage*, evidence:Condition.evidence*, bodySite:CodeableConcept*, note:Annotation*",
  "Condition.stage": "summary:CodeableConcept, assessment:Reference*",
  "Condition.evidence": "code:CodeableConcept*, detail:Reference*",
  QuestionnaireResponse:
    "id:id, status:code, authored:dateTime, subject:Reference, item:QuestionnaireResponse.item*",
  "QuestionnaireResponse.item":
    "linkId:string, text:string, answer:QuestionnaireResponse.item.answer*, item:QuestionnaireResponse.item*",
  "QuestionnaireResponse.item.answer":
    "value:boolean|decimal|integer|date|dateTime|time|string|Coding|Quantity, item:QuestionnaireResponse.item*",
  Questionnaire: "id:id, url:uri, status:code, subjectType:code*, item:Questionnaire.item*",
  "Questionnaire.item":
    "linkId:string, text:string, type:code, required:boolean, repeats:boolean, maxLength:integer, enableWhen:Questionnaire.item.enableWhen*, answerOption:Questionnaire.item.answerOption*, item:Questionnaire.item*",
  "Questionnaire.item.enableWhen":
    "question:string, operator:code, answer:boolean|integer|string|date|Coding",
  "Questionnaire.item.answerOption": "value:integer|string|date|Coding, initialSelected:boolean",
  Organization: "id:id, active:boolean, name:string, alias:string*, telecom:ContactPoint*",
  Meta: "versionId:id, lastUpdated:instant, profile:uri*, tag:Coding*",
  HumanName:
    "use:code, text:string, family:string, given:string*, prefix:string*, period:Period, extension:Extension*",
  ContactPoint: "system:code, value:string, use:code, rank:positiveInt, period:Period",
  Address:
    "use:code, line:string*, city:string, postalCode:string, country:string, period:Period, extension:Extension*",
  Identifier: "use:code, type:CodeableConcept, system:uri, value:string, period:Period, assigner:Reference",
  Period: "start:dateTime, end:dateTime",
  Coding: "system:uri, code:code, display:string, userSelected:boolean",
  CodeableConcept: "coding:Coding*, text:string",
  Quantity: "value:decimal, unit:string, system:uri, code:code",
  WildQuantity: "value:wildDecimal, unit:string",
  Range: "low:SimpleQuantity, high:SimpleQuantity",
  SimpleQuantity: "value:decimal, unit:string",
  Reference: "reference:referenceText, display:string, identifier:Identifier",
  Annotation: "author:Reference|string, time:dateTime, text:markdown",
  Extension:
    "url:uri, value:string|boolean|decimal|code|integer|dateTime|Coding|Quantity|Period, extension:Extension*",
};

function parse(line: string): Element[] {
  return line.split(", ").map((part) => {
    const [name, types] = part.split(":") as [string, string];
    const list = types.endsWith("*");
    return { name, list, types: (list ? types.slice(0, -1) : types).split("|") };
  });
}

/** Elements by type name. */
export const schema: ReadonlyMap<string, readonly Element[]> = new Map(
  Object.entries(text).map(([type, line]) => [type, parse(line)]),
);

/** The name FHIR knows a type by; the schema splits some types to keep kinds of data apart. */
export function fhirType(type: string): string {
  switch (type) {
    case "wildDecimal":
      return "decimal";
    case "referenceText":
      return "string";
    case "WildQuantity":
    case "SimpleQuantity":
      return "Quantity";
    default:
      return type;
  }
}

export const resourceTypes = [
  "Patient",
  "Observation",
  "Condition",
  "QuestionnaireResponse",
  "Questionnaire",
] as const;

export function isPrimitive(type: string): boolean {
  return (primitiveTypes as readonly string[]).includes(type);
}
