import { describe, expect, it } from "vitest";
import { Roles } from "./roles.js";
import { scopeGrant, withScopes } from "./scopes.js";

const grants = (text: string): readonly [readonly string[], readonly string[] | "all"] | undefined => {
  const grant = scopeGrant(text);
  if (grant === undefined) return undefined;
  const permissions = [...grant.permissions].filter((one) => one !== "public").sort();
  return [permissions, grant.resources === undefined ? "all" : [...grant.resources].sort()];
};
const rows = ["metadata.read", "views.read"];

describe("Scopes", () => {
  it.each<[string, ReturnType<typeof grants>]>([
    ["openid profile email", undefined],
    ["system/Patient.rs", [rows, ["Patient"]]],
    ["user/Patient.read system/Observation.cruds", [rows, ["Observation", "Patient"]]],
    ["system/*.rs", [rows, "all"]],
    ["system/*.*", [rows, "all"]],
    ["system/Patient.r", [[], []]],
    ["system/Patient.s", [[], []]],
    ["system/Patient.write", [[], []]],
    ["system/Patient.sr", [[], []]],
    ["system/Patient.rs?birthdate=gt2000", [[], []]],
    ["patient/Patient.rs", [[], []]],
    ["system/patient.rs", [[], []]],
    ["system/Patient/1.rs", [[], []]],
    ["lake/sql.run", [["sql.run"], []]],
    ["lake/sql.run system/Patient.rs", [[...rows, "sql.run"].sort(), ["Patient"]]],
    ["lake/views.read", [["views.read"], "all"]],
    ["lake/everything", [[], []]],
    ["lake/public", [[], []]],
  ])("%s grant what they say and no more", (text, wanted) => {
    expect(grants(text)).toEqual(wanted);
  });

  it("narrow a role and never widen it", () => {
    const roles = new Roles({
      nurse: {
        permissions: ["metadata.read", "views.read"],
        policy: { resources: ["Patient", "Encounter"] },
      },
    });
    const nurse = roles.get("nurse");
    expect(withScopes(nurse, undefined)).toBe(nurse);
    expect(withScopes(nurse, "openid")).toBe(nurse);
    const narrow = withScopes(nurse, "system/Encounter.rs system/Observation.rs lake/sql.run");
    expect([...narrow.permissions].sort()).toEqual(["metadata.read", "public", "views.read"]);
    expect(narrow.policy?.resources).toEqual(["Encounter"]);
    expect(withScopes(nurse, "lake/metadata.read").permissions.has("views.read")).toBe(false);
    expect(withScopes(nurse, "system/*.rs").policy?.resources).toEqual(["Patient", "Encounter"]);
  });
});

describe("Roles", () => {
  it("name unknown permissions and roles, and the nearest", () => {
    expect(() => new Roles({ x: { permissions: ["view.read"] } })).toThrowError(/views\.read/);
    expect(() => new Roles({ x: { permissions: ["public"] } })).toThrowError(/which there is not/);
    expect(() => new Roles().get("analist")).toThrowError(/analyst/);
  });
});
