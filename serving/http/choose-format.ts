import type { ServingContext } from "../context.js";
import { type AnswerFormat, answerFormats, formatByAccept, formatByName } from "./negotiate.js";

/** The query parameters of a request. */
export function parameters(context: ServingContext): URLSearchParams {
  return new URL(context.req.url).searchParams;
}

/** The format of an answer: extension before `_format` before Accept. Fails with `serving/not-acceptable`. */
export function chooseFormat(
  context: ServingContext,
  extension: string | undefined,
  offered: readonly AnswerFormat[] = answerFormats,
): AnswerFormat {
  const named = extension ?? parameters(context).get("_format") ?? undefined;
  return named === undefined
    ? formatByAccept(context.req.header("Accept"), offered)
    : formatByName(named, offered);
}

/** `name` or `name.extension`, for names that hold no dot. */
export function splitName(segment: string): {
  readonly name: string;
  readonly extension: string | undefined;
} {
  const dot = segment.lastIndexOf(".");
  if (dot < 0) return { name: segment, extension: undefined };
  return { name: segment.slice(0, dot), extension: segment.slice(dot + 1) };
}
