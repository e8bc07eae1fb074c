import { civilOf, dateText, dateTimeText, localDay } from "../calendar.js";
import type { Chart } from "../chart.js";
import { POPULATION_DAY } from "../era.js";
import type { Fact } from "../fact.js";
import { jsonString, referenceJson } from "../json-text.js";
import type { Home, Person } from "../person.js";
import { head, type RenderOptions } from "./resource.js";

const EXTENSION = "http://hl7.org/fhir/StructureDefinition/";
const US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-";
const RACE_SYSTEM = "urn:oid:2.16.840.1.113883.6.238";
const IDENTIFIER_TYPE = "http://terminology.hl7.org/CodeSystem/v2-0203";
/** The system of medical record numbers. */
const MRN_SYSTEM = "http://hospital.example.org/mrn";

function omb(name: "race" | "ethnicity", value: string, display: string): string {
  const coding = `{"system":"${RACE_SYSTEM}","code":"${value}","display":"${display}"}`;
  return (
    `{"url":"${US_CORE}${name}","extension":[{"url":"ombCategory","valueCoding":${coding}},` +
    `{"url":"text","valueString":"${display}"}]}`
  );
}

function extensions(person: Person): string {
  const [race, raceDisplay] = person.race;
  const [city, state, country] = person.birthplace;
  const place = `{"city":${jsonString(city)},"state":${jsonString(state)},"country":"${country}"}`;
  return [
    omb("race", race, raceDisplay),
    person.hispanic
      ? omb("ethnicity", "2135-2", "Hispanic or Latino")
      : omb("ethnicity", "2186-5", "Not Hispanic or Latino"),
    `{"url":"${EXTENSION}patient-mothersMaidenName","valueString":${jsonString(person.mothersMaidenName)}}`,
    `{"url":"${US_CORE}birthsex","valueCode":"${person.sex === "female" ? "F" : "M"}"}`,
    `{"url":"${EXTENSION}patient-birthPlace","valueAddress":${place}}`,
    `{"url":"http://hospital.example.org/StructureDefinition/quality-adjusted-life-years","valueDecimal":${person.qualityYears}}`,
  ].join(",");
}

function identifier(type: string, display: string, system: string, value: string): string {
  const coding = `{"system":"${IDENTIFIER_TYPE}","code":"${type}","display":${jsonString(display)}}`;
  return `{"type":{"coding":[${coding}],"text":${jsonString(display)}},"system":"${system}","value":"${value}"}`;
}

function identifiers(person: Person, id: string, mrn: string): string {
  const list = [
    `{"system":"http://hospital.example.org/patient-id","value":"${id}"}`,
    identifier("MR", "Medical Record Number", MRN_SYSTEM, mrn),
    identifier("SS", "Social Security Number", "http://hl7.org/fhir/sid/us-ssn", person.ssn),
  ];
  if (person.license !== undefined)
    list.push(identifier("DL", "Driver's License", "urn:oid:2.16.840.1.113883.4.3.25", person.license));
  if (person.passport !== undefined)
    list.push(identifier("PPN", "Passport Number", `${EXTENSION}passportNumber`, person.passport));
  return list.join(",");
}

/** The title that goes with a person's age, sex and marriage; empty for children. */
function prefix(person: Person): string {
  if (POPULATION_DAY - person.birthDay < 18 * 365) return "";
  return person.sex === "male" ? "Mr." : person.marital === "S" ? "Ms." : "Mrs.";
}

function names(person: Person): string {
  const given = person.given.map(jsonString).join(",");
  const title = prefix(person);
  const titles = title === "" ? "" : `,"prefix":["${title}"]`;
  const official = `{"use":"official","family":${jsonString(person.family)},"given":[${given}]${titles}}`;
  if (person.maiden === undefined) return official;
  return `${official},{"use":"maiden","family":${jsonString(person.maiden)},"given":[${given}]${titles}}`;
}

/** The name as displays show it. */
export function displayName(person: Person): string {
  const title = prefix(person);
  return `${title === "" ? "" : `${title} `}${person.given.join(" ")} ${person.family}`;
}

function telecoms(person: Person): string {
  const list = [`{"system":"phone","value":"${person.phone}","use":"home"}`];
  if (person.mobile !== undefined)
    list.push(`{"system":"phone","value":"${person.mobile}","use":"mobile","rank":1}`);
  if (person.email !== undefined) list.push(`{"system":"email","value":"${person.email}"}`);
  return list.join(",");
}

function address(home: Home, former: boolean): string {
  const unit = home.unit === undefined ? "" : `,"${home.unit}"`;
  const geolocation =
    `{"url":"${EXTENSION}geolocation","extension":[{"url":"latitude","valueDecimal":${home.latitude}},` +
    `{"url":"longitude","valueDecimal":${home.longitude}}]}`;
  const use = former ? `"use":"old",` : "";
  const period = former ? `,"period":{"end":"2019-06"}` : "";
  return (
    `{"extension":[${geolocation}],${use}"line":[${jsonString(home.line)}${unit}],"city":"${home.place.city}",` +
    `"state":"MA","postalCode":"${home.place.postalCode}","country":"US"${period}}`
  );
}

/** `Patient.birthDate` as it is written, to the precision known; empty when it is not known at all. */
export function birthDateText(person: Person): string {
  if (person.birthPrecision === "absent") return "";
  const text = dateText(person.birthDay);
  return person.birthPrecision === "day" ? text : text.slice(0, person.birthPrecision === "month" ? 7 : 4);
}

function birthDate(person: Person): string {
  const text = birthDateText(person);
  if (text !== "") return `"birthDate":"${text}"`;
  return `"_birthDate":{"extension":[{"url":"${EXTENSION}data-absent-reason","valueCode":"asked-unknown"}]}`;
}

function deceased(person: Person): string {
  if (person.death === undefined) return "";
  return person.deathTimeUnknown
    ? `,"deceasedBoolean":true`
    : `,"deceasedDateTime":"${dateTimeText(person.death)}"`;
}

const MARITAL = { S: "Never Married", M: "Married", D: "Divorced", W: "Widowed" } as const;

function household(chart: Chart): string {
  const { person } = chart;
  const marital = MARITAL[person.marital];
  const coding = `{"system":"http://terminology.hl7.org/CodeSystem/v3-MaritalStatus","code":"${person.marital}","display":"${marital}"}`;
  const birth =
    person.multipleBirth === undefined
      ? `"multipleBirthBoolean":false`
      : `"multipleBirthInteger":${person.multipleBirth}`;
  const [tag, language] = person.language;
  const site = chart.facilities.sites[person.clinic]!;
  const doctor = site.practitioners[0]!;
  return (
    `"maritalStatus":{"coding":[${coding}],"text":"${marital}"},${birth},` +
    `"communication":[{"language":{"coding":[{"system":"urn:ietf:bcp:47","code":"${tag}","display":"${language}"}],"text":"${language}"}}],` +
    `"generalPractitioner":[${referenceJson("Practitioner", doctor.id, doctor.display)}],` +
    `"managingOrganization":${referenceJson("Organization", site.organizationId)}`
  );
}

function narrative(person: Person): string {
  const born = civilOf(person.birthDay).year;
  const div = `<div xmlns="http://www.w3.org/1999/xhtml">\n <p>${displayName(person).replaceAll("&", "&amp;")}, born in ${born}.</p>\n</div>`;
  return `"text":{"status":"generated","div":${JSON.stringify(div)}}`;
}

function links(chart: Chart): string {
  const { duplicate } = chart.patient;
  return duplicate === undefined
    ? ""
    : `,"link":[{"other":${referenceJson("Patient", duplicate.id)},"type":"replaces"}]`;
}

/** The Patient resource. */
export function patientText(chart: Chart, options: RenderOptions): string {
  const { person, patient } = chart;
  const homes =
    address(person.home, false) +
    (person.formerHome === undefined ? "" : `,${address(person.formerHome, true)}`);
  return (
    `${head("Patient", patient, options, "patient")},${narrative(person)},"extension":[${extensions(person)}],` +
    `"identifier":[${identifiers(person, patient.id, person.mrn)}],"active":true,"name":[${names(person)}],` +
    `"telecom":[${telecoms(person)}],"gender":"${person.gender}",${birthDate(person)}${deceased(person)},` +
    `"address":[${homes}],${household(chart)}${links(chart)}}`
  );
}

/** The record that was merged into the patient: inactive, and replaced by it. */
export function duplicateText(chart: Chart, duplicate: Fact, options: RenderOptions): string {
  const { person, patient } = chart;
  const mrn = `${person.mrn}-2`;
  return (
    `${head("Patient", duplicate, options, "patient")},"identifier":[${identifier("MR", "Medical Record Number", MRN_SYSTEM, mrn)}],` +
    `"active":false,"name":[{"family":${jsonString(person.family.toUpperCase())},"given":[${jsonString(person.given[0]!)}]}],` +
    `"gender":"${person.gender}",${birthDate(person)},` +
    `"link":[{"other":${referenceJson("Patient", patient.id)},"type":"replaced-by"}]}`
  );
}

/** The calendar day of death for the truth table; empty while alive or when the time is not recorded. */
export function deathDateText(person: Person): string {
  return person.death === undefined || person.deathTimeUnknown ? "" : dateText(localDay(person.death));
}
