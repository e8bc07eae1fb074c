export { crashPoint } from "./crash-point.js";
export { hashFile, syncDirectory, syncFile, writeNewFileSynced } from "./durable-file.js";
export { notFound, storageFailure } from "./errors.js";
export { LocalStore } from "./local-store.js";
export type { FileDigest, FileHold, ObjectEntry, ObjectStore } from "./object-store.js";
export { isRemote, openStore } from "./open-store.js";
export { stagingName, stagingOwner } from "./staging-name.js";
