import { homedir } from "node:os";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { s3Settings } from "./settings.js";

describe("settings of an S3 lake", () => {
  it("come from the location and, for AWS, from nothing else", () => {
    expect(s3Settings("s3://my-bucket/lakes/main/", {})).toMatchObject({
      bucket: "my-bucket",
      prefix: "lakes/main",
      endpoint: undefined,
      region: undefined,
      pathStyle: false,
      cacheDirectory: path.join(homedir(), ".cache", "fhir-lake"),
    });
    expect(s3Settings("s3://my-bucket", { AWS_REGION: "eu-central-1" })).toMatchObject({
      prefix: "",
      region: "eu-central-1",
    });
  });

  it("name another server, which gets path style and a region unless told otherwise", () => {
    const endpoint = "http://localhost:9000";
    expect(s3Settings("s3://b-1/p", { FHIR_LAKE_S3_ENDPOINT: endpoint })).toMatchObject({
      endpoint,
      pathStyle: true,
      region: "us-east-1",
    });
    const other = { FHIR_LAKE_S3_ENDPOINT: endpoint, FHIR_LAKE_S3_PATH_STYLE: "false", AWS_REGION: "x" };
    expect(s3Settings("s3://b-1/p", other)).toMatchObject({ pathStyle: false, region: "x" });
  });

  it("bound the cache", () => {
    const environment = { FHIR_LAKE_CACHE: "/var/cache/lake", FHIR_LAKE_CACHE_SIZE: "1.5GiB" };
    expect(s3Settings("s3://b-1/p", environment)).toMatchObject({
      cacheDirectory: "/var/cache/lake",
      cacheBytes: 1.5 * 2 ** 30,
    });
  });

  it.each([
    ["s3://", {}],
    ["s3://UPPER/x", {}],
    ["s3://b-1//x", {}],
    ["s3://b-1/a/../b", {}],
    ["s3://b-1/a b", {}],
    ["s3://b-1/?endpoint=x", {}],
    ["s3://b-1/x", { FHIR_LAKE_S3_PATH_STYLE: "maybe" }],
    ["s3://b-1/x", { FHIR_LAKE_S3_ENDPOINT: "localhost:9000" }],
    ["s3://b-1/x", { FHIR_LAKE_CACHE_SIZE: "much" }],
    ["s3://b-1/x", { FHIR_LAKE_S3_TIMEOUT_MS: "30s" }],
  ])("refuse %s with %j", (location, environment) => {
    expect(() => s3Settings(location, environment)).toThrow(
      expect.objectContaining({ code: "storage/bad-location", kind: "invalid-input" }),
    );
  });
});
