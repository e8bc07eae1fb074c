import { didYouMean } from "#kernel";
import type { Condition, StateRequest, ViewQuestion } from "#query";
import { viewParameters } from "../question/described.js";
import { groupParameters, isTest, parseColumnFilter, parseGroup } from "../question/filter-grammar.js";
import { parseOrder, parseSelect } from "../question/select-grammar.js";
import { badRequest } from "./errors.js";

/** What a URL asks of a view, apart from state and format. */
export interface Question {
  readonly question: Omit<ViewQuestion, "view" | "after">;
  readonly count: "exact" | "estimated" | undefined;
}

function wholeNumber(name: string, text: string): number {
  const number = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isNaN(number)) {
    throw badRequest("bad-parameter", `${name} is not a whole number from 0 up; write it like ${name}=100.`, {
      parameter: name,
    });
  }
  return number;
}

/** Fails with `serving/repeated-parameter`, since two values of one parameter could mean both AND and OR. */
function checkRepeats(
  parameters: URLSearchParams,
  mayRepeat: (name: string, value: string) => boolean,
): void {
  for (const name of new Set(parameters.keys())) {
    const values = parameters.getAll(name);
    if (values.length === 1 || values.every((value) => mayRepeat(name, value))) continue;
    throw badRequest(
      "repeated-parameter",
      `The parameter '${name.slice(0, 64)}' is given twice; give it once.`,
      { parameter: name.slice(0, 64) },
    );
  }
}

function checkKnown(parameters: URLSearchParams, known: readonly string[]): void {
  for (const name of parameters.keys()) {
    if (known.includes(name)) continue;
    throw badRequest(
      "unknown-parameter",
      `There is no parameter or column '${name.slice(0, 64)}' here.${didYouMean(name, known)}`,
      { parameter: name.slice(0, 64), known },
    );
  }
}

/** Fails with `serving/unknown-parameter`, naming the nearest, unless every parameter is one of `known`. */
export function checkParameters(parameters: URLSearchParams, known: readonly string[]): void {
  checkRepeats(parameters, () => false);
  checkKnown(parameters, known);
}

/** The value of a parameter that is one of a few words; undefined when it is not given. */
function oneOf<T extends string>(
  parameters: URLSearchParams,
  name: string,
  meanings: Readonly<Record<T, string>>,
): T | undefined {
  const text = parameters.get(name);
  if (text === null) return undefined;
  const words = Object.keys(meanings) as T[];
  const found = words.find((word) => word === text);
  if (found !== undefined) return found;
  const choices = words.map((word) => `${word} (${meanings[word]})`).join(" or ");
  throw badRequest("bad-parameter", `${name} is ${choices}.${didYouMean(text, words)}`, { parameter: name });
}

const instantPattern = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:\d{2})$/;

/** `as_of=`, an instant that is not to come: what the lake will hold then nobody can tell. */
function instant(text: string, now: Date): string {
  const at = instantPattern.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(at) && at <= now.getTime()) return new Date(at).toISOString();
  throw badRequest(
    "bad-parameter",
    Number.isNaN(at)
      ? "as_of is no instant with a time zone; write it like as_of=2026-11-01T00:00:00Z (+ as %2B)."
      : "as_of lies in the future, for which no answer can be repeated.",
    { parameter: "as_of" },
  );
}

/**
 * Which state a URL asks for: `snapshot=n` or `as_of=`, or `consistency=` and `min_epoch=` of the newest. `pin=` is looked up by the caller.
 */
export function parseState(parameters: URLSearchParams, now: Date): StateRequest {
  const number = (name: string): number | undefined => {
    const text = parameters.get(name);
    return text === null ? undefined : wholeNumber(name, text);
  };
  const snapshot = number("snapshot");
  const asOf = parameters.get("as_of");
  const minEpoch = number("min_epoch");
  const consistency = oneOf(parameters, "consistency", {
    merged: "with live changes",
    batch: "the snapshot alone",
  });
  return {
    ...(snapshot === undefined ? {} : { snapshot }),
    ...(asOf === null ? {} : { asOf: instant(asOf, now) }),
    ...(consistency === undefined ? {} : { consistency }),
    ...(minEpoch === undefined ? {} : { minEpoch }),
  };
}

function day(name: string, text: string): string {
  const date = /^\d{4}-\d{2}-\d{2}$/.test(text) ? new Date(`${text}T00:00:00Z`) : undefined;
  if (date !== undefined && !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text)) return text;
  throw badRequest("bad-parameter", `${name} is not a day; write it like ${name}=2026-01-31.`, {
    parameter: name,
  });
}

function filtersOf(parameters: URLSearchParams): Condition[] {
  return [...parameters].flatMap(([name, value]) => {
    const group = groupParameters.find((known) => known === name);
    if (group !== undefined) return [parseGroup(group, value)];
    return viewParameters.includes(name) ? [] : [parseColumnFilter(name, value)];
  });
}

/**
 * The question in a URL's parameters: `select`, `order`, `limit`, `count`, `age_at`, groups of filters, and every other parameter a filter on the
 * column of its name. A column may be filtered several times, all of which must hold, when each names its operator. `columns` are
 * the names that may be used. Values are checked later, against the types of their columns.
 */
export function parseQuestion(parameters: URLSearchParams, columns: readonly string[]): Question {
  const isReserved = (name: string): boolean => viewParameters.includes(name);
  checkRepeats(parameters, (name, value) => columns.includes(name) && !isReserved(name) && isTest(value));
  checkKnown(parameters, [...columns, ...viewParameters]);
  const [select, order] = [parameters.get("select"), parameters.get("order")];
  const [limit, ageAt] = [parameters.get("limit"), parameters.get("age_at")];
  const count = oneOf(parameters, "count", {
    exact: "every row is counted",
    estimated: "a number that costs nothing, where there is one",
  });
  return {
    question: {
      filters: filtersOf(parameters),
      ...(select === null ? {} : { select: parseSelect(select) }),
      ...(order === null ? {} : { order: parseOrder(order) }),
      ...(limit === null ? {} : { limit: wholeNumber("limit", limit) }),
      ...(ageAt === null ? {} : { ageAt: day("age_at", ageAt) }),
    },
    count,
  };
}
