import { describe, expect, it } from "vitest";
import { clinicalDatePaths } from "./clinical-date.js";
import {
  type FhirVersion,
  isSubtype,
  jsonName,
  loadDefinitions,
  patientReferencePath,
} from "./definitions.js";

const r4 = loadDefinitions("4.0.1");

describe("definitions", () => {
  it("lists the resource types of each release without the abstract ones", () => {
    const sizes = (["4.0.1", "4.3.0", "5.0.0"] as const).map((v) => loadDefinitions(v).resourceTypes.size);
    expect(sizes).toEqual([146, 141, 158]);
    expect(r4.resourceTypes.has("DomainResource")).toBe(false);
  });

  it("gives inherited elements with own ones", () => {
    const names = [...r4.type("Patient")!.elements.keys()];
    expect(names.slice(0, 2)).toEqual(["id", "meta"]);
    expect(names).toContain("contained");
    expect(names).toContain("birthDate");
    expect(r4.type("Patient.contact")!.elements.get("modifierExtension")?.types).toEqual(["Extension"]);
  });

  it("tells choice elements, lists, backbones and content references apart", () => {
    expect(r4.type("Patient")!.elements.get("deceased")).toEqual({
      name: "deceased",
      types: ["boolean", "dateTime"],
      choice: true,
      list: false,
    });
    expect(r4.type("Patient")!.elements.get("contact")).toMatchObject({
      types: ["Patient.contact"],
      list: true,
    });
    expect(r4.type("Questionnaire.item")!.elements.get("item")?.types).toEqual(["Questionnaire.item"]);
    expect(loadDefinitions("5.0.0").type("Questionnaire.item")!.elements.get("item")?.types).toEqual([
      "Questionnaire.item",
    ]);
  });

  it("types a resource's id as id and an element's id as string", () => {
    expect(r4.type("Patient")!.elements.get("id")?.types).toEqual(["id"]);
    expect(r4.type("HumanName")!.elements.get("id")?.types).toEqual(["string"]);
  });

  it("names only types that exist", () => {
    for (const version of ["4.0.1", "4.3.0", "5.0.0"] satisfies FhirVersion[]) {
      const definitions = loadDefinitions(version);
      for (const resource of definitions.resourceTypes) {
        for (const element of definitions.type(resource)!.elements.values()) {
          for (const type of element.types) expect(definitions.type(type), type).toBeDefined();
        }
      }
    }
  });

  it("knows subtypes", () => {
    expect(isSubtype(r4, "Age", "Quantity")).toBe(true);
    expect(isSubtype(r4, "code", "string")).toBe(true);
    expect(isSubtype(r4, "string", "code")).toBe(false);
  });

  it("writes the JSON name of a choice with its type", () => {
    expect(jsonName(r4.type("Observation")!.elements.get("value")!, "Quantity")).toBe("valueQuantity");
    expect(jsonName(r4.type("Patient")!.elements.get("deceased")!, "boolean")).toBe("deceasedBoolean");
    expect(jsonName(r4.type("Patient")!.elements.get("name")!, "HumanName")).toBe("name");
  });

  it("refuses an unknown release and does not confuse object members with types", () => {
    expect(() => loadDefinitions("3.0.2" as FhirVersion)).toThrowError(/4.0.1/);
    expect(r4.type("constructor")).toBeUndefined();
    expect(patientReferencePath(r4, "constructor")).toBeUndefined();
  });
});

describe("what ties a resource to patient and time", () => {
  it("finds the reference to the patient", () => {
    const found = ["Patient", "Observation", "Coverage", "Immunization", "Appointment", "Organization"].map(
      (t) => patientReferencePath(r4, t),
    );
    expect(found).toEqual(["id", "subject", "beneficiary", "patient", "participant.actor", undefined]);
  });

  it("lists the clinical dates of a type, best first", () => {
    expect(clinicalDatePaths(r4, "Observation")).toEqual([
      "effectiveDateTime",
      "effectivePeriod.start",
      "effectiveInstant",
      "issued",
    ]);
    expect(clinicalDatePaths(r4, "Encounter")).toEqual(["period.start"]);
    expect(clinicalDatePaths(r4, "Condition")[0]).toBe("onsetDateTime");
    expect(clinicalDatePaths(r4, "Organization")).toEqual([]);
  });
});
