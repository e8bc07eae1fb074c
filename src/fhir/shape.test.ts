import { describe, expect, it } from "vitest";
import { loadDefinitions } from "./definitions.js";
import {
  decimalListNames,
  decimalNames,
  observedShape,
  type PathNode,
  rootNode,
  type Shape,
} from "./shape.js";

const r4 = loadDefinitions("4.0.1");

function at(type: string, path: string): PathNode | undefined {
  let node: PathNode | undefined = rootNode(r4, type);
  for (const name of path.split(".")) node = node?.child(name);
  return node;
}

/** A shape in short: text, int, json, [item], {field: shape}. */
function brief(shape: Shape): unknown {
  if (shape.kind === "scalar") return shape.type;
  if (shape.kind === "json") return "json";
  if (shape.kind === "list") return [brief(shape.item)];
  return Object.fromEntries([...shape.fields].map(([name, field]) => [name, brief(field)]));
}

describe("path nodes", () => {
  it("say what JSON a path must hold", () => {
    const expects = (path: string) => at("Patient", path)?.expects;
    expect(expects("name")).toBe("array-of-objects");
    expect(expects("name.given")).toBe("array-of-strings");
    expect(expects("name._given")).toBe("array-of-objects");
    expect(expects("_birthDate")).toBe("object");
    expect(expects("deceasedBoolean")).toBe("boolean");
    expect(expects("multipleBirthInteger")).toBe("number");
    expect(expects("resourceType")).toBe("string");
    expect(expects("deceased")).toBeUndefined();
    expect(expects("nam")).toBeUndefined();
  });

  it("mark decimals", () => {
    expect(at("Observation", "valueQuantity.value")?.decimal).toBe(true);
    expect(at("Observation", "valueInteger")?.decimal).toBe(false);
  });

  it("stop at resources and at types that recur too often on their own path", () => {
    expect(at("Patient", "contained")?.json).toBe(true);
    expect(at("Bundle", "entry.resource")?.json).toBe(true);
    expect(at("Patient", "extension.extension")?.json).toBe(false);
    expect(at("Patient", "extension.extension.valueCoding.code")?.type).toBe("code");
    expect(at("Patient", "extension.extension.extension")?.json).toBe(true);
    expect(at("Questionnaire", "item")?.json).toBe(false);
    expect(at("Questionnaire", "item.item")?.json).toBe(true);
    expect(at("QuestionnaireResponse", "item.answer.item")?.json).toBe(true);
    expect(at("Questionnaire", "item.item.item")).toBeUndefined();
  });
});

describe("observed shapes", () => {
  it("hold exactly the observed paths, in sorted order", () => {
    const shape = observedShape(r4, "Patient", [
      "name.given",
      "name.family",
      "_birthDate.extension.url",
      "active",
      "id",
    ]);
    expect(brief(shape)).toEqual({
      _birthDate: { extension: [{ url: "text" }] },
      active: "boolean",
      id: "text",
      name: [{ family: "text", given: ["text"] }],
    });
    expect([...shape.fields.keys()]).toEqual(["_birthDate", "active", "id", "name"]);
  });

  it("keep decimals and dates as text and integers as integers", () => {
    const shape = observedShape(r4, "Observation", [
      "valueQuantity.value",
      "valueInteger",
      "effectiveDateTime",
    ]);
    expect(brief(shape)).toEqual({
      effectiveDateTime: "text",
      valueInteger: "integer",
      valueQuantity: { value: "text" },
    });
  });

  it("stop at json nodes and leave out what the type does not have", () => {
    const shape = observedShape(r4, "Patient", ["contained", "contained.id", "nonsense.x", "name"]);
    expect(brief(shape)).toEqual({ contained: "json" });
  });

  it("are empty structs when nothing was observed", () => {
    expect(brief(observedShape(r4, "Patient", []))).toEqual({});
  });
});

describe("decimal names", () => {
  it("contain quantity values, choice decimals and coordinates", () => {
    expect(decimalNames(r4)).toEqual(expect.arrayContaining(["value", "valueDecimal", "factor", "latitude"]));
    expect(decimalListNames(r4)).toEqual(["fMeasure", "precision", "sensitivity"]);
  });
});
