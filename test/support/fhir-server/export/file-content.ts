import type { LineFile } from "../resource-text.js";
import { elementsFor, subsetted } from "../search/elements.js";
import type { StoredVersion } from "../store.js";

const CHUNK_BYTES = 512 * 1024;
const LINE_END = Buffer.from("\n");

/** The lines of an output file, in large chunks; neighbours in a file on disk are read together. */
export function* resourceLines(
  versions: readonly StoredVersion[],
  elements: readonly string[],
): Generator<Buffer> {
  let pending: Buffer[] = [];
  let size = 0;
  let range: { file: LineFile; start: number; end: number } | undefined;
  const flushRange = () => {
    if (range !== undefined) pending.push(range.file.read(range.start, range.end), LINE_END);
    range = undefined;
  };
  for (const version of versions) {
    const names = elementsFor(version.type, elements);
    const place = names === undefined ? version.text?.range : undefined;
    if (place !== undefined && range?.file === place.file && range.end + 1 === place.start) {
      range.end = place.end;
    } else {
      flushRange();
      if (place !== undefined) range = { ...place };
      else {
        const text = version.text?.read() ?? Buffer.from("{}");
        pending.push(names === undefined ? text : subsetted(text, names), LINE_END);
      }
    }
    size += (version.text?.sizeBytes ?? 0) + 1;
    if (size >= CHUNK_BYTES) {
      flushRange();
      yield Buffer.concat(pending);
      pending = [];
      size = 0;
    }
  }
  flushRange();
  if (pending.length > 0) yield Buffer.concat(pending);
}

const DELETES_PER_BUNDLE = 100;

/** The lines of a file of deletes: Bundles of type transaction with DELETE requests. */
export function* deleteLines(versions: readonly StoredVersion[]): Generator<Buffer> {
  for (let at = 0; at < versions.length; at += DELETES_PER_BUNDLE) {
    const entry = versions
      .slice(at, at + DELETES_PER_BUNDLE)
      .map(({ type, id }) => ({ request: { method: "DELETE", url: `${type}/${id}` } }));
    yield Buffer.from(`${JSON.stringify({ resourceType: "Bundle", type: "transaction", entry })}\n`);
  }
}

/** How many Bundles {@link deleteLines} writes. */
export function deleteLineCount(versions: readonly StoredVersion[]): number {
  return Math.ceil(versions.length / DELETES_PER_BUNDLE);
}
