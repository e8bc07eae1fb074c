import { didYouMean, LakeError } from "#kernel";
import type { Lake } from "./lake.js";
import { isStorageNotFound } from "./not-found.js";
import { readRemoved } from "./removed.js";

/** A promise to keep a snapshot readable. */
export interface Pin {
  readonly name: string;
  readonly snapshot: number;
  /** ISO instant. */
  readonly createdAt: string;
  /** ISO instant from which on the pin counts no more; without it the pin holds until it is taken off. */
  readonly until?: string;
}

/** What to pin. */
export interface PinRequest {
  /** 1 to 64 letters, digits, `.`, `_`, `-`. */
  readonly name: string;
  /** Default: the newest snapshot. */
  readonly snapshot?: number;
  /** Milliseconds after which the pin ends by itself. */
  readonly lifetimeMs?: number;
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

function pinKey(name: string): string {
  if (!NAME.test(name) || name.includes("..")) {
    throw new LakeError(
      "invalid-input",
      "lake/bad-pin-name",
      "A pin's name is 1 to 64 letters, digits, '.', '_' or '-', and begins with a letter or digit.",
    );
  }
  return `pins/${name}.json`;
}

/**
 * Keeps a snapshot readable under a name until {@link unpin}. Errors: `lake/pin-exists` unless the same snapshot is pinned under that name
 * already, `lake/pin-name-used` when it stood for another snapshot once, `lake/bad-pin-name`, `lake/no-such-snapshot`, `lake/snapshot-gone`.
 */
export async function pin(lake: Lake, request: PinRequest): Promise<Pin> {
  const key = pinKey(request.name);
  const snapshot = request.snapshot ?? (await lake.head()).id;
  await lake.history.at(snapshot);
  const before = await readReleased(lake, request.name);
  if (before !== undefined && before.snapshot !== snapshot) {
    throw new LakeError(
      "conflict",
      "lake/pin-name-used",
      `The name '${request.name}' stood for snapshot ${before.snapshot}, and addresses with it must not come to mean another; choose a new name.`,
      { details: { name: request.name, snapshot: before.snapshot } },
    );
  }
  const now = lake.clock.now().getTime();
  const made: Pin = {
    name: request.name,
    snapshot,
    createdAt: new Date(now).toISOString(),
    ...(request.lifetimeMs === undefined ? {} : { until: new Date(now + request.lifetimeMs).toISOString() }),
  };
  if ((await lake.store.putIfAbsent(key, Buffer.from(JSON.stringify(made)))) === "exists") {
    const standing = await readPin(lake, key);
    if (standing?.snapshot === snapshot) return standing;
    throw new LakeError(
      "conflict",
      "lake/pin-exists",
      `The pin '${request.name}' holds snapshot ${standing?.snapshot ?? "?"}; take it off first (fhir-lake unpin ${request.name}) or choose another name.`,
      { details: { name: request.name, snapshot: standing?.snapshot } },
    );
  }
  // A vacuum records what it removes and looks at the pins again before it deletes: one of the two sees the other.
  if ((await readRemoved(lake.store)).reasonOf(snapshot) !== undefined) {
    await lake.store.delete(key);
    await lake.history.at(snapshot);
  }
  return made;
}

async function readPin(lake: Lake, key: string): Promise<Pin | undefined> {
  try {
    return JSON.parse(Buffer.from(await lake.store.get(key)).toString("utf8")) as Pin;
  } catch (error) {
    if (isStorageNotFound(error)) return undefined;
    throw error;
  }
}

/** All pins by name, also those that have ended but were not cleared away yet. */
export async function allPins(lake: Lake): Promise<Pin[]> {
  const found: Pin[] = [];
  for await (const { key } of lake.store.list("pins/")) {
    const one = await readPin(lake, key);
    if (one !== undefined) found.push(one);
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** True while the pin keeps its snapshot. */
export function holds(one: Pin, now: Date): boolean {
  return one.until === undefined || Date.parse(one.until) > now.getTime();
}

/** Where it stands that a name was promised to a snapshot once. */
function releasedKey(name: string): string {
  return `released-pins/${name}.json`;
}

/** Remembers for good which snapshot a name stood for, so that an address with it never comes to mean another. */
export async function rememberReleased(lake: Lake, one: Pin): Promise<void> {
  await lake.store.putIfAbsent(releasedKey(one.name), Buffer.from(JSON.stringify(one)));
}

async function readReleased(lake: Lake, name: string): Promise<Pin | undefined> {
  pinKey(name);
  return await readPin(lake, releasedKey(name));
}

/**
 * Takes a pin off as {@link unpin} does, but keeps its name from being given to another snapshot: addresses that carry the name were promised to
 * repeat their answer or to fail. Errors: `lake/no-such-pin`.
 */
export async function releasePin(lake: Lake, name: string): Promise<Pin> {
  const standing = await readPin(lake, pinKey(name));
  if (standing !== undefined) await rememberReleased(lake, standing);
  return await unpin(lake, name);
}

/** The pin of a name that counts now. Errors: `lake/pin-released` when it counts no more, `lake/no-such-pin` when it never did. */
export async function findPin(lake: Lake, name: string): Promise<Pin> {
  const standing = await readPin(lake, pinKey(name));
  if (standing !== undefined && holds(standing, lake.clock.now())) return standing;
  const released = standing ?? (await readReleased(lake, name));
  if (released === undefined) return await noSuchPin(lake, name);
  const oldest = (await lake.history.ids())[0];
  throw new LakeError(
    "not-found",
    "lake/pin-released",
    `The pin '${name}' no longer holds its snapshot ${released.snapshot}. The oldest snapshot that can be read is ${oldest ?? "none"}.`,
    { details: { name, snapshot: released.snapshot, oldest } },
  );
}

async function noSuchPin(lake: Lake, name: string): Promise<never> {
  const names = (await allPins(lake)).map((one) => one.name);
  throw new LakeError(
    "not-found",
    "lake/no-such-pin",
    `There is no pin '${name}'.${didYouMean(name, names)} fhir-lake pins lists all.`,
  );
}

/** The pins that count now, by name. */
export async function pins(lake: Lake): Promise<Pin[]> {
  const now = lake.clock.now();
  return (await allPins(lake)).filter((one) => holds(one, now));
}

/** Takes a pin off; its snapshot then goes with the next vacuum that does not keep it anyway. Errors: `lake/no-such-pin`. */
export async function unpin(lake: Lake, name: string): Promise<Pin> {
  const key = pinKey(name);
  const standing = await readPin(lake, key);
  if (standing === undefined) return await noSuchPin(lake, name);
  await lake.store.delete(key);
  return standing;
}
