import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, it } from "vitest";
import { commitSourceState, Lake } from "#lake";
import { land } from "../../test/support/landing.js";
import { commitLanding } from "./commit-landing.js";

const patient = { resourceType: "Patient", id: "1", meta: { lastUpdated: "2026-01-01T00:00:00Z" } };

it("commits a watermark also when nothing was stored, and nothing at all when there is no news", async () => {
  const lake = await Lake.open({ location: await mkdtemp(path.join(tmpdir(), "fhir-lake-state-")) });
  const commit = async (at: string | undefined) =>
    commitLanding(lake, {
      ...(await land([{ resource: patient }])),
      views: new Map(),
      ...(at === undefined ? {} : { sourceState: { watermarks: { Patient: at } } }),
    });
  expect((await commit("2026-01-02T00:00:00Z")).snapshot?.id).toBe(1);
  const second = await commit("2026-01-03T00:00:00Z");
  expect(second.snapshot?.id).toBe(2);
  expect(second.counts).toMatchObject({ stored: 0, unchanged: 1 });
  expect(second.snapshot?.sources["test"]?.watermarks).toEqual({ Patient: "2026-01-03T00:00:00Z" });
  expect((await commit("2026-01-03T00:00:00Z")).snapshot).toBeUndefined();
  expect((await commit(undefined)).snapshot).toBeUndefined();
  const checked = await commitSourceState(lake, "test", { deletesVerified: false });
  expect(checked?.operation).toEqual({ kind: "source-state", source: "test" });
  expect(checked?.sources["test"]?.watermarks).toEqual({ Patient: "2026-01-03T00:00:00Z" });
  expect(await commitSourceState(lake, "unknown", { deletesVerified: false })).toBeUndefined();
  await lake.close();
});
