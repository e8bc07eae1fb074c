import { didYouMean } from "#kernel";
import type { ColumnFilter, StateRequest, ViewColumn, ViewQuestion } from "#query";
import { badRequest } from "./errors.js";

/** The query parameters that are not columns. A column of such a name cannot be filtered by URL. */
const reserved = ["select", "limit", "snapshot", "consistency", "min_epoch", "_format"] as const;

/** What a URL asks of a view, apart from the format. */
export type Question = Omit<ViewQuestion, "view">;

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
function checkRepeats(parameters: URLSearchParams): void {
  const seen = new Set<string>();
  for (const name of parameters.keys()) {
    if (seen.has(name)) {
      throw badRequest(
        "repeated-parameter",
        `The parameter '${name.slice(0, 64)}' is given twice; give it once.`,
        {
          parameter: name.slice(0, 64),
        },
      );
    }
    seen.add(name);
  }
}

/** Fails with `serving/unknown-parameter`, naming the nearest, unless every parameter is one of `known`. */
export function checkParameters(parameters: URLSearchParams, known: readonly string[]): void {
  checkRepeats(parameters);
  for (const name of parameters.keys()) {
    if (known.includes(name)) continue;
    throw badRequest(
      "unknown-parameter",
      `There is no parameter or column '${name.slice(0, 64)}' here.${didYouMean(name, known)}`,
      { parameter: name.slice(0, 64), known },
    );
  }
}

/** `consistency=merged|batch`, if given. */
function consistencyParameter(parameters: URLSearchParams): "merged" | "batch" | undefined {
  const text = parameters.get("consistency");
  if (text === null || text === "merged" || text === "batch") return text ?? undefined;
  throw badRequest(
    "bad-parameter",
    "consistency is merged (with live changes) or batch (the snapshot alone).",
    {
      parameter: "consistency",
    },
  );
}

/** Which state a URL asks for: `snapshot=n`, or `consistency=` and `min_epoch=` of the newest. */
export function parseState(parameters: URLSearchParams): StateRequest {
  const number = (name: string): number | undefined => {
    const text = parameters.get(name);
    return text === null ? undefined : wholeNumber(name, text);
  };
  const snapshot = number("snapshot");
  const minEpoch = number("min_epoch");
  const consistency = consistencyParameter(parameters);
  return {
    ...(snapshot === undefined ? {} : { snapshot }),
    ...(consistency === undefined ? {} : { consistency }),
    ...(minEpoch === undefined ? {} : { minEpoch }),
  };
}

/**
 * The question in a URL's parameters: `select=a,b`, `limit=n`, those of {@link parseState}, and every other parameter an equality
 * filter on the column of its name. Values are checked later, against the types of their columns.
 */
export function parseQuestion(parameters: URLSearchParams, columns: readonly ViewColumn[]): Question {
  checkParameters(parameters, [...columns.map((column) => column.name), ...reserved]);
  const filters: ColumnFilter[] = [...parameters]
    .filter(([name]) => !(reserved as readonly string[]).includes(name))
    .map(([column, value]) => ({ column, operator: "eq", value }));
  const select = parameters.get("select");
  const limit = parameters.get("limit");
  return {
    filters,
    ...(select === null
      ? {}
      : {
          select: select
            .split(",")
            .map((name) => name.trim())
            .filter((name) => name !== ""),
        }),
    ...(limit === null ? {} : { limit: wholeNumber("limit", limit) }),
  };
}
