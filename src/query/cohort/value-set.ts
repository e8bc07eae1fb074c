import { didYouMean } from "#kernel";
import type { ValueSet } from "./definition.js";
import { badDefinition, type JsonNode } from "./json-node.js";

/** Code systems that may be written by these names instead of their URIs. */
export const SYSTEMS: Readonly<Record<string, string>> = {
  snomed: "http://snomed.info/sct",
  loinc: "http://loinc.org",
  icd10cm: "http://hl7.org/fhir/sid/icd-10-cm",
  icd10: "http://hl7.org/fhir/sid/icd-10",
  icd10am: "http://hl7.org/fhir/sid/icd-10-am",
  rxnorm: "http://www.nlm.nih.gov/research/umls/rxnorm",
  cvx: "http://hl7.org/fhir/sid/cvx",
  cpt: "http://www.ama-assn.org/go/cpt",
};

const MOST_CODES = 200_000;

type Code = ValueSet["codes"][number];

function systemOf(node: JsonNode | undefined): string | undefined {
  if (node === undefined) return undefined;
  const text = node.text();
  const known = SYSTEMS[text];
  if (known !== undefined) return known;
  if (!text.includes(":")) {
    const names = Object.keys(SYSTEMS);
    throw badDefinition(
      node.path,
      `is neither a URI nor one of ${names.join(", ")}.${didYouMean(text, names)}`,
    );
  }
  return text;
}

/** `{"system": "snomed", "codes": [...], "prefixes": [...]}` */
function group(node: JsonNode): ValueSet {
  const members = node.object(["system", "codes", "prefixes"]);
  const system = systemOf(members["system"]);
  const codes = members["codes"]?.list().map((code) => ({ system, code: code.text() })) ?? [];
  const prefixes = members["prefixes"]?.list().map((prefix) => ({ system, prefix: prefix.text() })) ?? [];
  if (codes.length + prefixes.length === 0) throw node.wrong("an object with codes or prefixes");
  return { codes, prefixes, without: [] };
}

/** Fields of CSV text by RFC 4180, lines ending in LF or CRLF. */
function csvRows(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  const field = /("(?:[^"]|"")*"|[^",\r\n]*)(,|\r?\n|$)/gy;
  const body = text.replace(/^\uFEFF/, "");
  while (field.lastIndex < body.length) {
    const match = field.exec(body);
    if (match === null) return [];
    const [, raw, end] = match;
    row.push(raw!.startsWith('"') ? raw!.slice(1, -1).replaceAll('""', '"') : raw!.trim());
    if (end === ",") continue;
    if (row.length > 1 || row[0] !== "") rows.push(row);
    row = [];
  }
  return rows;
}

/** CSV with a header: `code`, and where it is known `system`; other columns are passed over. */
function fromCsv(node: JsonNode): ValueSet {
  const text = node.text(50_000_000);
  const [header, ...rows] = csvRows(text);
  const names = header?.map((name) => name.toLowerCase()) ?? [];
  const codeAt = names.indexOf("code");
  const systemAt = names.indexOf("system");
  if (codeAt < 0) {
    throw badDefinition(node.path, "has to be CSV with a header line that names a column 'code'.");
  }
  const codes = rows.map((row, index): Code => {
    const code = row[codeAt] ?? "";
    if (code === "") throw badDefinition(node.path, `line ${index + 2} has no code.`);
    const system = systemAt < 0 ? "" : (row[systemAt] ?? "");
    return { system: system === "" ? undefined : (SYSTEMS[system] ?? system), code };
  });
  return { codes, prefixes: [], without: [] };
}

type Json = Readonly<Record<string, unknown>>;
const records = (value: unknown): Json[] => (Array.isArray(value) ? (value as Json[]) : []);

function expansionCodes(contains: unknown): Code[] {
  return records(contains).flatMap((item) => {
    const own =
      typeof item["code"] === "string" && item["abstract"] !== true
        ? [{ system: item["system"] as string | undefined, code: item["code"] }]
        : [];
    return [...own, ...expansionCodes(item["contains"])];
  });
}

/** The include or exclude parts of a ValueSet's `compose`. */
function composed(part: unknown, path: string): ValueSet {
  const parts = records(part).map((item, index): ValueSet => {
    const at = `${path}[${index}]`;
    if (item["filter"] !== undefined || item["valueSet"] !== undefined) {
      throw badDefinition(
        at,
        "asks for a terminology server (filter or valueSet); expand the ValueSet first ($expand) and give that.",
      );
    }
    const system = item["system"] as string | undefined;
    const codes = records(item["concept"]).map((concept) => ({ system, code: String(concept["code"]) }));
    if (codes.length === 0 && system === undefined)
      throw badDefinition(at, "names neither system nor codes.");
    return { codes, prefixes: codes.length === 0 ? [{ system, prefix: "" }] : [], without: [] };
  });
  return unite(parts);
}

/** A FHIR ValueSet: its expansion when it has one, else its enumerated codes and whole systems. */
function fromFhir(node: JsonNode): ValueSet {
  node.entries();
  const resource = node.value as Json;
  if (resource["resourceType"] !== "ValueSet") {
    throw badDefinition(node.path, "has to be a FHIR ValueSet (resourceType 'ValueSet').");
  }
  const expansion = resource["expansion"] as Json | undefined;
  if (expansion !== undefined) {
    const codes = expansionCodes(expansion["contains"]);
    const total = expansion["total"];
    if (typeof total === "number" && total > codes.length) {
      throw badDefinition(
        `${node.path}.expansion`,
        `is a page of ${codes.length} of ${total} codes; expand without paging.`,
      );
    }
    return { codes, prefixes: [], without: [] };
  }
  const compose = resource["compose"] as Json | undefined;
  const include = composed(compose?.["include"], `${node.path}.compose.include`);
  const exclude = composed(compose?.["exclude"], `${node.path}.compose.exclude`);
  if (exclude.prefixes.length > 0) {
    throw badDefinition(`${node.path}.compose.exclude`, "excludes a whole system; name its codes.");
  }
  return { ...include, without: exclude.codes };
}

function unite(sets: readonly ValueSet[]): ValueSet {
  return {
    codes: sets.flatMap((set) => set.codes),
    prefixes: sets.flatMap((set) => set.prefixes),
    without: sets.flatMap((set) => set.without),
  };
}

/**
 * A value set: `{"codes": [{"system", "codes", "prefixes"}]}`, `{"valueSet": <FHIR ValueSet>}` or `{"csv": "system,code\n..."}`. Fails with
 * `cohort/bad-definition` when it is none of these or holds no code.
 */
export function parseValueSet(node: JsonNode): ValueSet {
  const { codes, valueSet, csv } = node.object(["codes", "valueSet", "csv"]);
  const given = [codes, valueSet, csv].filter((member) => member !== undefined);
  if (given.length !== 1) throw node.wrong("an object with codes, valueSet or csv (one of them)");
  const set =
    codes !== undefined
      ? unite(codes.oneOrMore().map(group))
      : valueSet !== undefined
        ? fromFhir(valueSet)
        : fromCsv(csv!);
  const size = set.codes.length + set.prefixes.length;
  if (size === 0) throw badDefinition(node.path, "holds no code, so that nothing could match.");
  if (size > MOST_CODES) throw badDefinition(node.path, `holds more than ${MOST_CODES} codes.`);
  return set;
}
