import { S3Client } from "@aws-sdk/client-s3";
import type { S3Settings } from "./settings.js";

/** What every request to the lake's bucket needs. */
export interface S3Access {
  /** Repeats failed requests; for everything that may be done twice. */
  readonly client: S3Client;
  /** Sends each request once: for conditional writes, whose every outcome matters. */
  readonly once: S3Client;
  readonly settings: S3Settings;
  /** The object's full key in the bucket. */
  objectKey(key: string): string;
}

const CONNECTION_TIMEOUT_MS = 5_000;
const MOST_ATTEMPTS = 5;
/** Connections to one server: enough for parallel downloads without exhausting a small server. */
const MOST_SOCKETS = 24;

/** Opens nothing by itself: connections are made with the first request. */
export function s3Access(settings: S3Settings): S3Access {
  // The package warns on standard error about this Node release; which one is supported is this program's own matter.
  process.env["AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED"] ??= "true";
  const common = {
    forcePathStyle: settings.pathStyle,
    ...(settings.endpoint === undefined ? {} : { endpoint: settings.endpoint }),
    ...(settings.region === undefined ? {} : { region: settings.region }),
  };
  const client = new S3Client({
    ...common,
    maxAttempts: MOST_ATTEMPTS,
    requestHandler: {
      connectionTimeout: CONNECTION_TIMEOUT_MS,
      // Silence on the connection, not length: a large upload over a slow line is no failure.
      socketTimeout: settings.timeoutMs,
      httpAgent: { maxSockets: MOST_SOCKETS, keepAlive: true },
      httpsAgent: { maxSockets: MOST_SOCKETS, keepAlive: true },
    },
  });
  const once = new S3Client({ ...common, maxAttempts: 1, requestHandler: client.config.requestHandler });
  const { prefix } = settings;
  return { client, once, settings, objectKey: (key) => (prefix === "" ? key : `${prefix}/${key}`) };
}
