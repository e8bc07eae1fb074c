import { expect, test } from "vitest";
import { checkProfile, type ViewProfile } from "#compiler";

const column = { name: "id", path: "id", type: "id" };
const shareable = {
  resourceType: "ViewDefinition",
  url: "http://example.org/ViewDefinition/v",
  name: "v",
  status: "active",
  fhirVersion: ["4.0.1"],
  resource: "Patient",
  select: [{ column: [column] }],
};

function found(view: unknown, profile: ViewProfile): string[] {
  return checkProfile(view, profile).map(({ severity, path }) => `${severity} ${path}`);
}

const withColumn = (extra: Record<string, unknown>) => ({
  ...shareable,
  select: [{ column: [{ ...column, ...extra }] }],
});

test("a complete view is shareable and tabular", () => {
  expect(found(shareable, "shareable")).toEqual([]);
  expect(found(shareable, "tabular")).toEqual([]);
});

test.each(["url", "name", "fhirVersion"])("a shareable view needs its %s", (member) => {
  const view = Object.fromEntries(Object.entries(shareable).filter(([name]) => name !== member));
  expect(found(view, "shareable")).toEqual([`error ${member}`]);
});

test("a shareable view types every column, wherever it stands", () => {
  const untyped = { name: "x", path: "gender" };
  const view = {
    ...shareable,
    select: [
      { column: [column] },
      { forEach: "name", select: [{ column: [untyped] }] },
      {
        unionAll: [
          { column: [{ ...untyped, name: "y" }] },
          { column: [{ ...untyped, name: "y", type: "code" }] },
        ],
      },
    ],
  };
  expect(found(view, "shareable")).toEqual([
    "error select[1].select[0].column[0].type",
    "error select[2].unionAll[0].column[0].type",
  ]);
});

test("a url with a version, a fragment or a space gets a warning", () => {
  for (const url of ["http://x.org/v|1", "http://x.org/v#a", "http://x.org/v w"]) {
    expect(found({ ...shareable, url }, "shareable")).toEqual(["warning url"]);
  }
});

test("a version of FHIR has three parts", () => {
  expect(found({ ...shareable, fhirVersion: ["4.0"] }, "shareable")).toEqual(["error fhirVersion[0]"]);
});

test("a tabular view has no collections and no complex types", () => {
  expect(found(withColumn({ collection: true }), "tabular")).toEqual([
    "error select[0].column[0].collection",
  ]);
  expect(found(withColumn({ path: "name", type: "HumanName" }), "tabular")).toEqual([
    "error select[0].column[0].type",
  ]);
});

test.each(["date", "uri"])("a tabular column of type %s is accepted with a warning", (type) => {
  const path = type === "date" ? "birthDate" : "implicitRules";
  expect(found(withColumn({ path, type }), "tabular")).toEqual(["warning select[0].column[0].type"]);
});

test("what is no view at all is refused before any profile is looked at", () => {
  expect(() => checkProfile({ ...shareable, select: [] }, "shareable")).toThrow();
  expect(() => checkProfile("view", "tabular")).toThrow();
});
