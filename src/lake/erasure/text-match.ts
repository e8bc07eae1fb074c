import { resourceKey } from "#landing";
import type { ErasureRequest } from "./request.js";

const REFERENCE = /\b([A-Z][A-Za-z]{2,40})\/([A-Za-z0-9\-.]{1,64})/g;
const TYPE = /"resourceType"\s*:\s*"([A-Za-z]+)"/g;
const ID = /"id"\s*:\s*"([A-Za-z0-9\-.]{1,64})"/g;

function all(text: string, pattern: RegExp): Set<string> {
  const found = new Set<string>();
  for (const match of text.matchAll(pattern)) found.add(match[1]!);
  return found;
}

/**
 * Tells whether a piece of text names an erased resource: by reference, as a resource of its own, or by a hashed key. Only hashes are known,
 * so everything that could be a name is hashed and compared.
 */
export class TextMatch {
  private readonly keys: ReadonlySet<string>;
  private readonly sources: readonly string[];

  constructor(request: ErasureRequest, keys: Iterable<string>) {
    this.keys = new Set([...request.keys, ...request.persons.map((person) => person.key), ...keys]);
    this.sources = request.sources;
  }

  private names(type: string, id: string): boolean {
    return this.sources.some((source) => this.keys.has(resourceKey(source, type, id)));
  }

  test(text: string): boolean {
    for (const match of text.matchAll(REFERENCE)) if (this.names(match[1]!, match[2]!)) return true;
    const ids = all(text, ID);
    if (ids.size > 0) {
      for (const type of all(text, TYPE)) for (const id of ids) if (this.names(type, id)) return true;
    }
    // A landing record begins with the hashed key itself.
    return this.keys.has(text.slice(0, 32));
  }
}
