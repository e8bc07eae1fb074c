import { describe, expect, it } from "vitest";
import { loadDefinitions, type Shape } from "#fhir";
import { typeText } from "./data-type.js";
import { childUsage, createUsage, itemShape, readUsage, usageShape } from "./usage.js";

const r4 = loadDefinitions("4.0.1");
const brief = (shape: Shape): string => typeText(shape);

describe("usages", () => {
  it("need exactly what is read, not what is named", () => {
    const patient = createUsage("Patient", false);
    const name = readUsage(patient, "name", "HumanName", true);
    readUsage(name, "given", "string", true);
    readUsage(name, "family", "string", false);
    childUsage(patient, "deceasedBoolean", "boolean", false);
    expect(brief(itemShape(r4, patient))).toBe("{name: {family: text, given: text[]}[]}");
  });

  it("keep a field of structures that are only tested for presence", () => {
    const patient = createUsage("Patient", false);
    readUsage(patient, "contact", "Patient.contact", true);
    expect(brief(itemShape(r4, patient))).toBe("{contact: {id: text}[]}");
  });

  it("give one usage per property, so that equal paths are equal", () => {
    const patient = createUsage("Patient", false);
    expect(readUsage(patient, "name", "HumanName", true)).toBe(
      childUsage(patient, "name", "HumanName", true),
    );
  });

  it("are JSON for resources, for whole items and for types that contain themselves", () => {
    expect(brief(usageShape(r4, createUsage("Resource", true)))).toBe("json");
    const name = createUsage("HumanName", true);
    name.json = "item";
    expect(brief(usageShape(r4, name))).toBe("json[]");
    const item = createUsage("Questionnaire.item", true);
    item.json = "value";
    expect(usageShape(r4, item)).toEqual({ kind: "json", decimals: [] });
  });

  it("share the needs of the nodes that a repeat makes of them", () => {
    const item = createUsage("QuestionnaireResponse.item", true);
    const node = createUsage("QuestionnaireResponse.item", false);
    item.alsoUsedAs.push(node);
    readUsage(node, "linkId", "string", false);
    readUsage(node, "item", "QuestionnaireResponse.item", true).json = "value";
    expect(brief(usageShape(r4, item))).toBe("{item: json, linkId: text}[]");
  });

  it("say which decimals are read inside JSON", () => {
    const item = createUsage("QuestionnaireResponse.item", true);
    item.json = "value";
    const answer = readUsage(item, "answer", "QuestionnaireResponse.item.answer", true);
    readUsage(answer, "valueDecimal", "decimal", false);
    expect(usageShape(r4, item)).toEqual({ kind: "json", decimals: ["valueDecimal"] });
  });
});
