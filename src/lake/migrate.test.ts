import { describe, expect, it } from "vitest";
import { type Migration, upgraded } from "./migrate.js";

const steps: Migration[] = [
  {
    from: 1,
    to: 2,
    change: "tables are listed",
    upgrade: (m) => ({ ...m, tables: Object.keys(m["tables"] as object) }),
  },
  { from: 2, to: 3, change: "a mark", upgrade: (m) => ({ ...m, mark: true }) },
];

describe("manifest formats", () => {
  it("are brought up step by step when they are read, and keep the number they were stored with", () => {
    const old = { formatVersion: 1, id: 7, tables: { Patient: {} } };
    expect(upgraded(old, "k", 3, steps)).toEqual({
      formatVersion: 1,
      id: 7,
      tables: ["Patient"],
      mark: true,
    });
    expect(old.tables).toEqual({ Patient: {} });
  });

  it("are left alone when they are current", () => {
    expect(upgraded({ formatVersion: 3, id: 1 }, "k", 3, steps)).toEqual({ formatVersion: 3, id: 1 });
  });

  it("are refused when a later release wrote them or no step leads on", () => {
    expect(() => upgraded({ formatVersion: 4 }, "k", 3, steps)).toThrow(/upgrade fhir-lake/);
    expect(() => upgraded({ formatVersion: 0 }, "k", 3, steps)).toThrow(/format 0/);
    expect(() => upgraded({ id: 1 }, "k", 3, steps)).toThrow(/format 0/);
  });
});
