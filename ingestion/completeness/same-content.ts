import { ExactNumber, type ExactObject, type ExactValue, parseExactJson } from "#kernel";
import { instantMs } from "../search/index.js";

/**
 * Parts of `meta` that say where and how a copy was made, not what it says; servers write them anew when they answer:
 * `source` (a request id in it), and the SUBSETTED tag is never on a read. `versionId` and `lastUpdated` count where both sides have them.
 */
const IGNORED_META = new Set(["source"]);
const WHERE_BOTH_HAVE = ["versionId", "lastUpdated"];
/** Lists without an order of their own. */
const UNORDERED_META = new Set(["profile", "security", "tag"]);

function isObject(value: ExactValue | undefined): value is ExactObject {
  return (
    typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof ExactNumber)
  );
}

/** Text that is equal for values that are equal but for the order of members; digits of numbers as written. */
function canonical(value: ExactValue): string {
  if (value instanceof ExactNumber) return value.text;
  if (Array.isArray(value)) return `[${(value as readonly ExactValue[]).map(canonical).join(",")}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const members = Object.keys(value)
    .sort()
    .map((name) => `${JSON.stringify(name)}:${canonical(value[name]!)}`);
  return `{${members.join(",")}}`;
}

function canonicalMeta(meta: ExactObject, ignored: ReadonlySet<string>): string {
  const members = Object.keys(meta)
    .filter((name) => !ignored.has(name))
    .sort()
    .map((name) => {
      const value = meta[name]!;
      if (name === "lastUpdated") return `lastUpdated:${instantMs(String(value)) ?? String(value)}`;
      if (!UNORDERED_META.has(name) || !Array.isArray(value)) return `${name}:${canonical(value)}`;
      return `${name}:${(value as readonly ExactValue[]).map(canonical).sort().join(",")}`;
    });
  return members.join(";");
}

/** How two texts of a resource compare. */
export interface ContentComparison {
  readonly same: boolean;
  /** meta.lastUpdated of the source's text in milliseconds. */
  readonly sourceMs: number | undefined;
}

/**
 * Compares a resource's text in the lake with the source's: members in any order, decimals by their digits, `meta.source` ignored,
 * `meta.versionId` and `meta.lastUpdated` where both have them, profiles, tags and labels in any order.
 */
export function compareContent(lake: string, source: string): ContentComparison {
  const [a, b] = [parseExactJson(lake), parseExactJson(source)];
  if (!isObject(a) || !isObject(b)) return { same: false, sourceMs: undefined };
  const metaA = isObject(a["meta"]) ? a["meta"] : {};
  const metaB = isObject(b["meta"]) ? b["meta"] : {};
  const lastUpdated = metaB["lastUpdated"];
  const sourceMs = typeof lastUpdated === "string" ? instantMs(lastUpdated) : undefined;
  const oneSided = WHERE_BOTH_HAVE.filter((name) => metaA[name] === undefined || metaB[name] === undefined);
  const ignored = new Set([...IGNORED_META, ...oneSided]);
  const same =
    canonicalMeta(metaA, ignored) === canonicalMeta(metaB, ignored) &&
    canonical(rest(a)) === canonical(rest(b));
  return { same, sourceMs };
}

function rest(resource: ExactObject): ExactObject {
  return Object.fromEntries(Object.entries(resource).filter(([name]) => name !== "meta"));
}
