import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Lake, type Snapshot } from "#lake";
import { land } from "../../test/support/landing.js";
import { commitLanding } from "./commit-landing.js";
import { unresolvedReferences } from "./unresolved-references.js";

const meta = { versionId: "1", lastUpdated: "2026-01-01T00:00:00Z" };
const to = (reference: string) => ({ reference });
const encounter = (id: string, more: Record<string, unknown>) => ({
  resource: { resourceType: "Encounter", id, meta, ...more },
});
const patient = (id: string) => ({ resource: { resourceType: "Patient", id, meta } });

describe("references of a source's resources", () => {
  let lake: Lake;
  let first: Snapshot;
  beforeAll(async () => {
    lake = await Lake.open({ location: mkdtempSync(path.join(tmpdir(), "fhir-lake-references-")) });
    const commit = async (versions: Parameters<typeof land>[0], source: string): Promise<void> => {
      await commitLanding(lake, { ...(await land(versions, { source })), views: new Map() });
    };
    await commit([patient("elsewhere")], "two");
    await commit(
      [
        patient("a"),
        patient("b"),
        encounter("1", {
          subject: to("Patient/a"),
          serviceProvider: to("Organization/o"),
          participant: [{ individual: to("Practitioner/x") }, { individual: to("Practitioner/y") }, {}],
        }),
        encounter("2", {
          subject: to("https://ehr.example/fhir/Patient/b/_history/3"),
          partOf: to("Encounter/1"),
          participant: [{ individual: to("Practitioner/x") }],
          reasonReference: [
            to("#c"),
            to("urn:uuid:7"),
            to("Condition?identifier=1"),
            to("https://x.example/Patient/q"),
          ],
        }),
      ],
      "one",
    );
    first = await lake.head();
    await commit(
      [
        encounter("3", {
          subject: to("Patient/elsewhere"),
          contained: [{ resourceType: "Condition", id: "c", asserter: to("Practitioner/deep") }],
          extension: [{ url: "u", valueReference: to("Location/l") }],
        }),
        { deleted: "Patient/b", at: "2026-02-01T00:00:00Z" },
      ],
      "one",
    );
  });
  afterAll(() => lake.close());
  const base = "https://ehr.example/fhir/";

  it("are counted by type where the lake lacks what they name, each target once", async () => {
    expect(await unresolvedReferences(lake, { source: "one", base, snapshot: first })).toEqual({
      targets: 6,
      unresolved: { Organization: 1, Practitioner: 2 },
    });
  });

  it("do not resolve to deleted resources, nor to those of another source", async () => {
    expect(await unresolvedReferences(lake, { source: "one", base })).toEqual({
      targets: 9,
      unresolved: { Location: 1, Organization: 1, Patient: 2, Practitioner: 3 },
    });
    expect(await unresolvedReferences(lake, { source: "two" })).toEqual({ targets: 0, unresolved: {} });
  });

  it("are those of new resources alone when a snapshot is given", async () => {
    expect(await unresolvedReferences(lake, { source: "one", after: first })).toEqual({
      targets: 3,
      unresolved: { Location: 1, Patient: 1, Practitioner: 1 },
    });
  });
});
