import { describe, expect, it } from "vitest";
import { readManifest } from "./manifest.js";

const page = new URL("https://server.example/fhir/_jobs/1");
const least = { transactionTime: "2026-11-21T04:00:00Z", requiresAccessToken: true, output: [] };

describe("a manifest", () => {
  it("needs no more than every version has", () => {
    expect(readManifest({ ...least, somethingNew: 1, extension: [] }, page)).toEqual({
      transactionTime: "2026-11-21T04:00:00Z",
      requiresAccessToken: true,
      files: [],
      hasDeleted: false,
    });
  });

  it("is read with all its lists, under old and new names, with links relative to the page", () => {
    const body = {
      ...least,
      output: [{ type: "Patient", url: "/files/1", count: 3, fileSize: 9 }],
      deleted: [{ type: "Bundle", url: "https://files.example/d" }],
      outcome: [{ type: "OperationOutcome", url: "e" }],
      link: [
        { relation: "self", url: "x" },
        { relation: "next", url: "?page=2" },
      ],
    };
    expect(readManifest(body, page)).toMatchObject({
      hasDeleted: true,
      next: "https://server.example/fhir/_jobs/1?page=2",
      files: [
        { section: "output", type: "Patient", url: "https://server.example/files/1", count: 3 },
        { section: "deleted", type: "Bundle", url: "https://files.example/d" },
        { section: "error", type: "OperationOutcome", url: "https://server.example/fhir/_jobs/e" },
      ],
    });
    expect(readManifest({ ...least, error: [{ url: "a" }], outcome: [{ url: "b" }] }, page).files).toEqual([
      { section: "error", url: "https://server.example/fhir/_jobs/a" },
    ]);
  });

  it.each([
    undefined,
    null,
    "",
    [],
    {},
    { ...least, transactionTime: undefined },
    { ...least, transactionTime: "2026-11-21" },
    { ...least, transactionTime: "2026-11-21T04:00:00" },
    { ...least, transactionTime: 1795243948648 },
    { ...least, requiresAccessToken: "true" },
    { ...least, output: undefined },
    { ...least, output: {} },
    { ...least, output: ["x"] },
    { ...least, output: [{ type: "Patient" }] },
    { ...least, output: [{ type: "../../etc", url: "x" }] },
    { ...least, output: [{ url: "x" }] },
    { ...least, output: [{ type: "Patient", url: "http://" }] },
    { ...least, output: [{ type: "Patient", url: "x", count: -1 }] },
    { ...least, output: [{ type: "Patient", url: "x", count: "3" }] },
    { ...least, deleted: {} },
    { ...least, link: [{ relation: "next" }] },
  ])("is refused when it is %j", (body) => {
    expect(() => readManifest(body, page)).toThrow(expect.objectContaining({ code: "source/bad-manifest" }));
  });
});
