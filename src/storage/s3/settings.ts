import { homedir } from "node:os";
import path from "node:path";
import { byteSize, LakeError } from "#kernel";

/** Where an S3 lake is and how it is reached. Credentials are not here: the AWS chain finds them. */
export interface S3Settings {
  readonly bucket: string;
  /** Key prefix without a slash at either end; empty for the whole bucket. */
  readonly prefix: string;
  /** URL of an S3-compatible server; undefined for AWS (or what the AWS configuration names). */
  readonly endpoint: string | undefined;
  /** Undefined leaves it to the AWS configuration. */
  readonly region: string | undefined;
  /** `http://host/bucket/key` instead of `http://bucket.host/key`. */
  readonly pathStyle: boolean;
  /** Local folder for copies of the lake's files, work folders and staging. */
  readonly cacheDirectory: string;
  /** Bound for copies that nobody is reading, in bytes. */
  readonly cacheBytes: number;
  /** A request without an answer for this long counts as failed, its outcome as unknown. */
  readonly timeoutMs: number;
}

const DEFAULT_CACHE_BYTES = 20 * 2 ** 30;
const DEFAULT_TIMEOUT_MS = 30_000;
const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
const PREFIX = /^[A-Za-z0-9._=-]+(?:\/[A-Za-z0-9._=-]+)*$/;

function bad(message: string): LakeError {
  return new LakeError("invalid-input", "storage/bad-location", message);
}

function parseLocation(location: string): { bucket: string; prefix: string } {
  const [bucket = "", ...rest] = location.slice("s3://".length).split("/");
  const prefix = rest.join("/").replace(/\/+$/, "");
  if (!BUCKET.test(bucket)) {
    throw bad(`'${location}' names no bucket; write s3://bucket or s3://bucket/prefix.`);
  }
  if (prefix !== "" && (!PREFIX.test(prefix) || prefix.split("/").some((part) => /^\.+$/.test(part)))) {
    throw bad(`The prefix of '${location}' may hold letters, digits, '.', '_', '=', '-' and single slashes.`);
  }
  return { bucket, prefix };
}

function flag(text: string | undefined, name: string): boolean | undefined {
  if (text === undefined || text === "") return undefined;
  if (text === "true" || text === "1") return true;
  if (text === "false" || text === "0") return false;
  throw bad(`${name} is 'true' or 'false', not '${text}'.`);
}

function endpointOf(text: string | undefined): string | undefined {
  if (text === undefined || text === "") return undefined;
  if (!/^https?:$/.test(URL.canParse(text) ? new URL(text).protocol : "")) {
    throw bad(`FHIR_LAKE_S3_ENDPOINT is a URL such as http://localhost:9000, not '${text}'.`);
  }
  return text;
}

function cacheSize(text: string | undefined): number {
  if (text === undefined || text === "") return DEFAULT_CACHE_BYTES;
  const bytes = byteSize(text);
  if (bytes === undefined) throw bad(`FHIR_LAKE_CACHE_SIZE is a size such as 20GB, not '${text}'.`);
  return bytes;
}

function timeout(text: string | undefined): number {
  if (text === undefined || text === "") return DEFAULT_TIMEOUT_MS;
  if (!/^[1-9]\d{2,6}$/.test(text)) {
    throw bad(`FHIR_LAKE_S3_TIMEOUT_MS is a number of milliseconds of at least 100, not '${text}'.`);
  }
  return Number(text);
}

/**
 * Settings of an S3 lake: what is stored where from the location, how it is reached from the environment. Variables:
 * FHIR_LAKE_S3_ENDPOINT, FHIR_LAKE_S3_PATH_STYLE (default: true with an endpoint), AWS_REGION (with an endpoint default us-east-1),
 * FHIR_LAKE_S3_TIMEOUT_MS, FHIR_LAKE_CACHE, FHIR_LAKE_CACHE_SIZE. Errors: `storage/bad-location`.
 */
export function s3Settings(location: string, environment: NodeJS.ProcessEnv): S3Settings {
  const endpoint = endpointOf(environment["FHIR_LAKE_S3_ENDPOINT"]);
  const cache = environment["FHIR_LAKE_CACHE"];
  const region = environment["AWS_REGION"] ?? environment["AWS_DEFAULT_REGION"];
  return {
    ...parseLocation(location),
    endpoint,
    region: region === undefined || region === "" ? endpoint && "us-east-1" : region,
    pathStyle:
      flag(environment["FHIR_LAKE_S3_PATH_STYLE"], "FHIR_LAKE_S3_PATH_STYLE") ?? endpoint !== undefined,
    cacheDirectory: path.resolve(
      cache === undefined || cache === ""
        ? path.join(environment["XDG_CACHE_HOME"] || path.join(homedir(), ".cache"), "fhir-lake")
        : cache,
    ),
    cacheBytes: cacheSize(environment["FHIR_LAKE_CACHE_SIZE"]),
    timeoutMs: timeout(environment["FHIR_LAKE_S3_TIMEOUT_MS"]),
  };
}
