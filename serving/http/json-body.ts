import { type ExactValue, LakeError, parseExactJson } from "#kernel";
import type { ServingContext } from "../context.js";
import { badRequest } from "./errors.js";

/** Larger than any definition, whose value sets may have many thousand codes. */
const MOST_BYTES = 16 * 1024 * 1024;

async function bytesOf(context: ServingContext): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let size = 0;
  const reader = context.req.raw.body?.getReader();
  if (reader === undefined) return Buffer.alloc(0);
  for (;;) {
    const { done, value } = (await reader.read()) as { done: boolean; value?: Uint8Array };
    if (done || value === undefined) return Buffer.concat(parts);
    size += value.byteLength;
    if (size > MOST_BYTES) {
      await reader.cancel();
      throw new LakeError(
        "invalid-input",
        "serving/body-too-large",
        `The body is larger than ${MOST_BYTES} bytes.`,
      );
    }
    parts.push(value);
  }
}

async function jsonText(context: ServingContext): Promise<string> {
  const type = (context.req.header("Content-Type") ?? "").split(";")[0]!.trim().toLowerCase();
  if (type !== "application/json") {
    throw badRequest("not-json", "Send JSON, with Content-Type: application/json.");
  }
  return (await bytesOf(context)).toString("utf8");
}

function parsed<T>(text: string, parse: (text: string) => T): T {
  try {
    return parse(text);
  } catch {
    throw badRequest("bad-json", "The body is no JSON.");
  }
}

/**
 * The JSON of a request's body. Only what says that it is JSON is read: a form of some web page cannot say so, and so cannot send
 * anything here in its reader's name. Fails with `serving/not-json`, `serving/bad-json`, `serving/body-too-large`.
 */
export async function jsonBody(context: ServingContext): Promise<unknown> {
  return parsed(await jsonText(context), (text) => JSON.parse(text) as unknown);
}

/** The same with the digits of all numbers as they were sent. */
export async function exactJsonBody(context: ServingContext): Promise<ExactValue> {
  return parsed(await jsonText(context), parseExactJson);
}
