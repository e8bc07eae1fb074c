import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { pythonWith } from "./python.js";

/** A running S3 server with one bucket. */
export interface S3Server {
  readonly endpoint: string;
  readonly bucket: string;
  /** What a process needs in its environment to reach it, with a cache folder of its own. */
  environment(cache?: string): Record<string, string>;
  stop(): void;
}

/** Credentials that the server accepts; moto takes any. */
const CREDENTIALS = { accessKeyId: "test-key-id", secretAccessKey: "test-secret" };

/** A Python that has `moto[server]`, or undefined; see {@link pythonWith}. */
export function motoPython(): string | undefined {
  return pythonWith("moto.server", "werkzeug");
}

function portOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    let errors = "";
    child.stderr!.on("data", (chunk) => {
      errors = (errors + String(chunk)).slice(-2000);
    });
    child.stdout!.once("data", (chunk) => resolve(Number(String(chunk).trim())));
    child.once("exit", (code) => reject(new Error(`The S3 server ended with ${code}: ${errors}`)));
  });
}

/** A client for what tests do beside the store. */
export function s3Client(endpoint: string): S3Client {
  process.env["AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED"] = "true";
  return new S3Client({ endpoint, region: "us-east-1", forcePathStyle: true, credentials: CREDENTIALS });
}

/** The environment of a process that keeps its lake at an endpoint. */
export function s3Environment(
  endpoint: string,
  cache: string = mkdtempSync(path.join(tmpdir(), "fhir-lake-cache-")),
): Record<string, string> {
  return {
    FHIR_LAKE_S3_ENDPOINT: endpoint,
    FHIR_LAKE_CACHE: cache,
    AWS_REGION: "us-east-1",
    AWS_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
    AWS_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey,
  };
}

/** Starts a server with an empty bucket; it ends with this process at the latest. */
export async function startS3Server(): Promise<S3Server> {
  const python = motoPython();
  if (python === undefined) throw new Error("There is no S3 server; ask motoPython first.");
  const child = spawn(python, [path.join(import.meta.dirname, "s3-server.py")], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  const endpoint = `http://127.0.0.1:${await portOf(child)}`;
  const bucket = `lake-${randomUUID().slice(0, 8)}`;
  const client = s3Client(endpoint);
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  client.destroy();
  return {
    endpoint,
    bucket,
    environment: (cache) => s3Environment(endpoint, cache),
    stop: () => child.kill(),
  };
}
