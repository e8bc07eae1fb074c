import { LocalStore } from "./local-store.js";
import type { ObjectStore } from "./object-store.js";

/** True for a location that is not a folder of this machine: `s3://bucket/prefix`. */
export function isRemote(location: string): boolean {
  return location.startsWith("s3://");
}

/** The store at a location: a local folder. Nothing is created by opening it. */
export async function openStore(location: string): Promise<ObjectStore> {
  return new LocalStore(location);
}
