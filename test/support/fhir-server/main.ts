import { readdirSync, statSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { type FhirServerOptions, type ProfileName, startFhirServer } from "./index.js";

/**
 * The server as a process of its own: prints one line of JSON with its URLs when it is ready, and ends on SIGTERM, SIGINT or when its
 * standard input closes (so that it never outlives the test that started it, unless --stay is given).
 */
async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      profile: { type: "string", default: "full" },
      port: { type: "string", default: "0" },
      "rows-per-file": { type: "string" },
      polls: { type: "string" },
      "retry-after": { type: "string" },
      bearer: { type: "string" },
      "on-disk": { type: "boolean", default: false },
      "no-gzip": { type: "boolean", default: false },
      stay: { type: "boolean", default: false },
      options: { type: "string" },
    },
  });
  const rowsPerFile = values["rows-per-file"];
  const given = JSON.parse(values.options ?? "{}") as FhirServerOptions;
  const server = await startFhirServer({
    profile: values.profile as ProfileName,
    port: Number(values.port),
    stamp: !values["on-disk"],
    ...(values.bearer === undefined ? {} : { auth: { bearer: values.bearer } }),
    ...given,
    changes: {
      ...given.changes,
      export: {
        ...(rowsPerFile === undefined ? {} : { rowsPerFile: Number(rowsPerFile) }),
        ...(values["no-gzip"] ? { gzip: false } : {}),
        ...given.changes?.export,
      },
    },
    export: {
      ...(values.polls === undefined ? {} : { polls: Number(values.polls) }),
      ...(values["retry-after"] === undefined ? {} : { retryAfter: Number(values["retry-after"]) }),
      ...given.export,
    },
    load: positionals.flatMap(ndjsonFiles),
  });
  const { url, fileOrigin, tokenUrl } = server;
  process.stdout.write(`${JSON.stringify({ url, fileOrigin, tokenUrl, pid: process.pid })}\n`);
  const end = () => void server.close().then(() => process.exit(0));
  process.on("SIGTERM", end);
  process.on("SIGINT", end);
  if (!values.stay) process.stdin.resume().on("end", end).on("error", end);
}

/** A file itself, or the NDJSON files of a folder whose names begin with a type. */
function ndjsonFiles(location: string): string[] {
  if (!statSync(location).isDirectory()) return [location];
  const names = readdirSync(location).filter((name) => /^[A-Z].*\.ndjson(?:\.gz)?$/.test(name));
  return names.sort().map((name) => path.join(location, name));
}

await main();
