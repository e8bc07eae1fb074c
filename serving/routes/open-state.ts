import { LakeError } from "#kernel";
import type { SnapshotReader } from "#query";
import type { Pins, ServingContext, ServingDependencies } from "../context.js";
import { badRequest } from "../http/errors.js";
import { parseState } from "../http/question.js";

/** The pins of this server. Fails with `serving/no-pins` where there are none. */
export function requirePins({ pins }: ServingDependencies): Pins {
  if (pins !== undefined) return pins;
  throw new LakeError("unsupported", "serving/no-pins", "This server keeps no pins.");
}

/** Opens the state that a URL names: by pin, number or time, else the newest. */
export async function openRequested(
  given: URLSearchParams,
  dependencies: ServingDependencies,
): Promise<SnapshotReader> {
  const request = parseState(given, dependencies.clock.now());
  const name = given.get("pin");
  if (name === null) return await dependencies.query.snapshot(request);
  if (Object.keys(request).length > 0) {
    throw badRequest("pin-and-state", "A pin names its state; leave the other parameters of the state out.", {
      parameter: "pin",
    });
  }
  const { snapshot } = await requirePins(dependencies).find(name);
  return await dependencies.query.snapshot({ snapshot });
}

/** Runs `work` on the state that the request names, and gives it back. */
export async function withSnapshot<T>(
  context: ServingContext,
  dependencies: ServingDependencies,
  work: (snapshot: SnapshotReader) => T | Promise<T>,
): Promise<T> {
  const snapshot = await openRequested(new URL(context.req.url).searchParams, dependencies);
  try {
    return await work(snapshot);
  } finally {
    snapshot.release();
  }
}
