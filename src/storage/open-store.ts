import { withCrashPoints } from "./crash-point.js";
import { LocalStore } from "./local-store.js";
import type { ObjectStore } from "./object-store.js";

/** True for a location that is not a folder of this machine: `s3://bucket/prefix`. */
export function isRemote(location: string): boolean {
  return location.startsWith("s3://");
}

/**
 * The store at a location: a folder, which need not exist, or `s3://bucket/prefix`, reached as the environment says
 * (docs/s3.md). Errors: `storage/bad-location` and those of the S3 store.
 */
export async function openStore(
  location: string,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<ObjectStore> {
  if (!isRemote(location)) return withCrashPoints(new LocalStore(location));
  // Loaded only when needed: the package costs every command a quarter of a second.
  const { S3Store, s3Settings } = await import("./s3/index.js");
  return withCrashPoints(await S3Store.open(s3Settings(location, environment)));
}
