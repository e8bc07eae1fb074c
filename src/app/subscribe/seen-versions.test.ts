import { describe, expect, it } from "vitest";
import type { PolledChange } from "#ingestion";
import { SeenVersions } from "./seen-versions.js";

function version(id: string, versionId: string, more: Partial<PolledChange> = {}): PolledChange {
  const version: PolledChange = {
    kind: "update",
    type: "Patient",
    id,
    versionId,
    lastUpdated: undefined,
    body: Buffer.from("{}"),
  };
  return { ...version, ...more };
}

describe("versions that looks have taken", () => {
  it("are not new again, other versions and deletes of the same resource are", () => {
    const seen = new SeenVersions();
    const first = version("p1", "1");
    seen.add([first], 0);
    const others = [
      version("p1", "2"),
      version("p1", "1", { kind: "delete", body: undefined }),
      version("p2", "1"),
    ];
    expect(seen.newOf([first, ...others])).toEqual(others);
  });

  it("are told apart by what they say where they have neither number nor time", () => {
    const seen = new SeenVersions();
    const bare = (text: string) => version("p1", "", { versionId: undefined, body: Buffer.from(text) });
    seen.add([bare("{}")], 0);
    expect(seen.newOf([bare("{}"), bare('{"active":true}')])).toEqual([bare('{"active":true}')]);
  });

  it("are forgotten per type when they were not shown since", () => {
    const seen = new SeenVersions();
    const [old, shownAgain, ofOtherType] = [
      version("p1", "1"),
      version("p2", "1"),
      version("o1", "1", { type: "Observation" }),
    ];
    seen.add([old, shownAgain, ofOtherType], 1000);
    seen.add([shownAgain], 2000);
    seen.forget("Patient", 2000);
    expect(seen.newOf([old, shownAgain, ofOtherType])).toEqual([old]);
  });
});
