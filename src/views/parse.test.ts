import { describe, expect, it } from "vitest";
import { isLakeError } from "#kernel";
import { parseView } from "./parse.js";

const column = { name: "id", path: "id" };

function problem(view: unknown): string {
  try {
    parseView(view);
  } catch (error) {
    if (!isLakeError(error)) throw error;
    return `${error.code} at ${String(error.details["path"])}`;
  }
  return "none";
}

describe("reading a ViewDefinition", () => {
  it.each([
    [null, "view/wrong-type at "],
    [[], "view/wrong-type at "],
    [{ select: [{ column: [column] }] }, "view/missing-resource at resource"],
    [
      { resourceType: "Patient", resource: "Patient", select: [{ column: [column] }] },
      "view/wrong-type at resourceType",
    ],
    [{ resource: "Patient" }, "view/missing-select at select"],
    [{ resource: "Patient", select: [] }, "view/missing-select at select"],
    [{ resource: "Patient", select: {} }, "view/wrong-type at select"],
    [{ resource: "Patient", name: "1x", select: [{ column: [column] }] }, "view/invalid-name at name"],
    [{ resource: "Patient", select: [{ forEach: 1 }] }, "view/wrong-type at select[0].forEach"],
    [
      { resource: "Patient", select: [{ forEach: "a", repeat: ["b"] }] },
      "view/several-directives at select[0]",
    ],
    [
      { resource: "Patient", select: [{ forEach: "a", forEachOrNull: "a" }] },
      "view/several-directives at select[0]",
    ],
    [{ resource: "Patient", select: [{ repeat: [] }] }, "view/missing-property at select[0].repeat"],
    [
      { resource: "Patient", select: [{ column: [{ name: "a" }] }] },
      "view/missing-property at select[0].column[0].path",
    ],
    [
      { resource: "Patient", select: [{ column: [{ path: "a" }] }] },
      "view/missing-property at select[0].column[0].name",
    ],
    [
      { resource: "Patient", select: [{ column: [{ name: "a b", path: "a" }] }] },
      "view/invalid-name at select[0].column[0].name",
    ],
    [
      { resource: "Patient", select: [{ column: [{ ...column, collection: "yes" }] }] },
      "view/wrong-type at select[0].column[0].collection",
    ],
    [
      { resource: "Patient", select: [{ select: [{ column: [{ name: "a", path: "@@" }] }] }] },
      "fhirpath/syntax at select[0].select[0].column[0].path",
    ],
    [
      { resource: "Patient", where: [{ path: "a =" }], select: [{ column: [column] }] },
      "fhirpath/syntax at where[0].path",
    ],
    [
      { resource: "Patient", constant: [{ name: "c" }], select: [{ column: [column] }] },
      "view/invalid-constant at constant[0]",
    ],
    [
      { resource: "Patient", constant: [{ name: "c", valueInteger: "1" }], select: [{ column: [column] }] },
      "view/invalid-constant at constant[0].valueInteger",
    ],
    [
      { resource: "Patient", constant: [{ name: "c", valueStrin: "1" }], select: [{ column: [column] }] },
      "view/invalid-constant at constant[0].valueStrin",
    ],
  ])("case %# is refused where it is wrong", (view, expected) => {
    expect(problem(view)).toBe(expected);
  });

  it("takes the resource type as a token or as the old URL, and none", () => {
    for (const resourceType of [
      "ViewDefinition",
      "http://hl7.org/fhir/uv/sql-on-fhir/StructureDefinition/ViewDefinition",
      undefined,
    ]) {
      expect(problem({ resourceType, resource: "Patient", select: [{ column: [column] }] })).toBe("none");
    }
  });

  it("warns about properties that it would ignore, with the nearest name", () => {
    const { warnings } = parseView({
      resource: "Patient",
      select: [{ forEachorNull: "name", column: [column] }],
    });
    expect(warnings).toEqual([
      {
        code: "view/unknown-property",
        path: "select[0].forEachorNull",
        message:
          "select[0].forEachorNull: 'forEachorNull' is not a property here and is ignored. Did you mean 'forEachOrNull'?",
      },
    ]);
  });

  it("keeps constants of all types as written", () => {
    const constant = [
      { name: "a", valueDecimal: 0.0000001 },
      { name: "b", valueInteger64: "9007199254740993" },
      { name: "c", valueDate: "2020-02" },
      { name: "d", valueBoolean: false },
    ];
    const { view } = parseView({ resource: "Patient", constant, select: [{ column: [column] }] });
    expect([...view.constants.values()]).toEqual([
      { type: "decimal", text: "0.0000001" },
      { type: "integer64", text: "9007199254740993" },
      { type: "date", text: "2020-02" },
      { type: "boolean", text: "false" },
    ]);
  });

  it("refuses selects nested without end", () => {
    let select: unknown = { column: [column] };
    for (let i = 0; i < 100; i++) select = { select: [select] };
    expect(problem({ resource: "Patient", select: [select] })).toMatch(/^view\/too-deep/);
  });
});
