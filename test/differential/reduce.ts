import {
  ExactNumber,
  type ExactValue,
  formatExactJson,
  parseExactJson,
} from "../../src/compiler/conformance/index.js";
import type { Pair } from "./agreement.js";

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** Members that a ViewDefinition's objects cannot lose. */
const kept = new Set(["resource", "name", "path", "resourceType", "id"]);

/** Shorter expressions that stand inside `text`: cut calls at the end, sides of operators, arguments. */
export function shorterPaths(text: string): string[] {
  const result = new Set<string>();
  let depth = 0;
  let quoted = false;
  const splits: number[] = [];
  const opens: number[] = [];
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === "\\" && quoted) {
      i += 1;
    } else if (c === "'") {
      quoted = !quoted;
    } else if (!quoted && (c === "(" || c === "[")) {
      depth += 1;
      opens.push(i);
    } else if (!quoted && (c === ")" || c === "]")) {
      depth -= 1;
      const inner = text.slice(opens.pop()! + 1, i);
      if (inner !== "") result.add(inner);
      for (const argument of inner.split(", ")) if (argument !== "") result.add(argument);
    } else if (!quoted && depth === 0 && (c === " " || (c === "." && !/\d/.test(text[i - 1] ?? "")))) {
      splits.push(i);
    }
  }
  for (const at of splits) {
    result.add(text.slice(0, at));
    result.add(text.slice(at + 1));
    result.add(text.slice(at + 1).replace(/^\S+ /, ""));
  }
  result.delete(text);
  // Pieces that mean something else than they did where they stood: half a number, an amount without its date.
  const misread = /^\d+ [a-z]+$|^0\d|^[a-z]+$(?<=years|months|weeks|days|hours|minutes|seconds)/;
  return [...result]
    .filter((candidate) => candidate.trim() !== "" && !misread.test(candidate))
    .sort((a, b) => a.length - b.length);
}

const pathMembers = new Set(["path", "forEach", "forEachOrNull"]);

function* smaller(value: Json, member: string): Generator<Json> {
  if (typeof value === "string") {
    if (pathMembers.has(member)) yield* shorterPaths(value);
    return;
  }
  if (typeof value !== "object" || value === null) return;
  if (Array.isArray(value)) {
    // FHIR has no empty lists.
    for (let i = 0; i < value.length && value.length > 1; i++) yield value.filter((_, at) => at !== i);
    for (let i = 0; i < value.length; i++) {
      for (const item of smaller(value[i]!, member)) yield value.map((old, at) => (at === i ? item : old));
    }
    return;
  }
  // A select may give way to what it holds.
  for (const nested of ["select", "unionAll"]) {
    const inner = value[nested];
    if (Array.isArray(inner) && member !== "" && typeof inner[0] === "object") yield inner[0] as Json;
  }
  for (const name of Object.keys(value)) {
    if (!kept.has(name))
      yield Object.fromEntries(Object.entries(value).filter(([other]) => other !== name)) as Json;
  }
  for (const [name, old] of Object.entries(value)) {
    for (const item of smaller(old, name)) yield { ...value, [name]: item };
  }
}

function* smallerResource(value: ExactValue): Generator<ExactValue> {
  if (typeof value !== "object" || value === null || value instanceof ExactNumber) return;
  if (Array.isArray(value)) {
    const items = value as readonly ExactValue[];
    for (let i = 0; i < items.length; i++) if (items.length > 1) yield items.filter((_, at) => at !== i);
    for (let i = 0; i < items.length; i++) {
      for (const item of smallerResource(items[i]!)) yield items.map((old, at) => (at === i ? item : old));
    }
    return;
  }
  const entries = Object.entries(value);
  for (const [name] of entries) {
    if (!kept.has(name) && entries.length > 1)
      yield Object.fromEntries(entries.filter(([other]) => other !== name));
  }
  for (const [name, old] of entries) {
    for (const item of smallerResource(old)) yield { ...Object.fromEntries(entries), [name]: item };
  }
}

function* smallerPairs(pair: Pair): Generator<Pair> {
  for (let i = 0; i < pair.resources.length; i++) {
    if (pair.resources.length > 1) yield { ...pair, resources: pair.resources.filter((_, at) => at !== i) };
  }
  for (const view of smaller(pair.view as Json, "")) yield { ...pair, view };
  for (let i = 0; i < pair.resources.length; i++) {
    for (const resource of smallerResource(parseExactJson(pair.resources[i]!))) {
      const text = formatExactJson(resource);
      yield { ...pair, resources: pair.resources.map((old, at) => (at === i ? text : old)) };
    }
  }
}

/** The smallest pair found within `attempts` tries that still fails the same way. */
export async function reducePair(
  pair: Pair,
  stillFails: (pair: Pair) => Promise<boolean>,
  attempts: number,
): Promise<Pair> {
  let best = pair;
  let left = attempts;
  for (let improved = true; improved && left > 0; ) {
    improved = false;
    for (const candidate of smallerPairs(best)) {
      if (left-- <= 0) break;
      if (await stillFails(candidate)) {
        best = candidate;
        improved = true;
        break;
      }
    }
  }
  return best;
}
