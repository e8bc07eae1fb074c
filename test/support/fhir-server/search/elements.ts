import { membersOf, memberText, objectText, withMember } from "../json-text.js";

const SUBSETTED = {
  system: "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
  code: "SUBSETTED",
};

/** A resource with only some of its root elements, tagged SUBSETTED; id, meta and resourceType always stay. */
export function subsetted(text: Buffer, elements: ReadonlySet<string>): Buffer {
  const kept = membersOf(text).filter((member) => {
    const name = member.name.replace(/^_/, "");
    return name === "resourceType" || name === "id" || name === "meta" || elements.has(name);
  });
  const rest = objectText(text, kept);
  const meta = memberText(rest, "meta") ?? Buffer.from("{}");
  const tags = JSON.parse(memberText(meta, "tag")?.toString() ?? "[]") as unknown[];
  const tagged = withMember(meta, "tag", JSON.stringify([...tags, SUBSETTED]), "lastUpdated");
  return withMember(rest, "meta", tagged, "id");
}

/**
 * The root elements that a value of `_elements` names for a type: `Patient.name` holds for Patient, `name` for all. Undefined when the
 * parameter says nothing about the type, which then stays whole.
 */
export function elementsFor(type: string, parameter: readonly string[]): ReadonlySet<string> | undefined {
  const names = new Set<string>();
  for (const item of parameter) {
    const [first = "", second] = item.split(".");
    if (second === undefined) names.add(first);
    else if (first === type) names.add(second);
  }
  return names.size === 0 ? undefined : names;
}
