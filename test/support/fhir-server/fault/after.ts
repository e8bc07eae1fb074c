import type { Transformer, TransformStreamDefaultController } from "node:stream/web";
import { operationOutcome } from "../outcome.js";
import { pause } from "./before.js";
import type { Fault } from "./rule.js";
import type { Strike } from "./script.js";

/** What the answering of a request needs to know for faults that change its answer. */
export interface AnswerPlace {
  /** Cuts the connection. */
  cut(): void;
  /** Keeps a file that a changed manifest names, and gives its URL. */
  keepFile(text: string): string;
}

/** The answer as the faults leave it. */
export async function spoilAnswer(
  response: Response,
  strikes: readonly Strike[],
  watching: readonly Strike[],
  place: AnswerPlace,
): Promise<Response> {
  let answer = response;
  for (const { fault } of strikes) {
    if (fault.kind === "answer-lost") place.cut();
    answer = await spoilJson(answer, fault, place);
    answer =
      fault.kind === "wrong-length"
        ? await withWrongLength(answer, fault.by, place)
        : spoilBody(answer, fault, place);
  }
  return watching.length === 0 ? answer : await replay(answer, strikes, watching);
}

/** Gives the answer before, where a stale page is due, and keeps this one. */
async function replay(
  response: Response,
  strikes: readonly Strike[],
  watching: readonly Strike[],
): Promise<Response> {
  const text = Buffer.from(await response.arrayBuffer());
  let sent = text;
  for (const { state } of watching) {
    const struck = strikes.some((strike) => strike.state === state);
    if (struck && state.previous !== undefined) sent = Buffer.from(state.previous);
    state.previous = sent;
  }
  return new Response(new Uint8Array(sent), { status: response.status, headers: response.headers });
}

async function spoilJson(response: Response, fault: Fault, place: AnswerPlace): Promise<Response> {
  const change = jsonChange(fault, place);
  if (change === undefined || response.body === null) return response;
  const text = await response.text();
  return new Response(change(text), { status: response.status, headers: response.headers });
}

interface ManifestJson {
  output: { type: string; url: string; count?: number }[];
  error?: unknown[];
}

function jsonChange(fault: Fault, place: AnswerPlace): ((text: string) => string) | undefined {
  switch (fault.kind) {
    case "replace-text":
      return (text) => text.replaceAll(fault.search, fault.replacement);
    case "change-total":
      return (text) => text.replace(/"total":\s*(\d+)/, (_, total) => `"total":${Number(total) + fault.by}`);
    case "wrong-count":
      return changeManifest((manifest) => {
        for (const file of manifest.output) file.count = (file.count ?? 0) + fault.by;
      });
    case "error-file":
      return changeManifest((manifest) => {
        const lines = fault.issues.map((issue) => operationOutcome([{ code: "processing", ...issue }]));
        const url = place.keepFile(`${lines.join("\n")}\n`);
        manifest.error = [...(manifest.error ?? []), { type: "OperationOutcome", url, count: lines.length }];
        manifest.output = manifest.output.filter(({ type }) => type !== fault.instead);
      });
    default:
      return undefined;
  }
}

function changeManifest(change: (manifest: ManifestJson) => void): (text: string) => string {
  return (text) => {
    const manifest = JSON.parse(text) as ManifestJson;
    if (!Array.isArray(manifest.output)) return text;
    change(manifest);
    return JSON.stringify(manifest);
  };
}

function spoilBody(response: Response, fault: Fault, place: AnswerPlace): Response {
  const change = bodyChange(fault, place);
  if (change === undefined || response.body === null) return response;
  const stream = new TransformStream<Uint8Array, Uint8Array>(change());
  const body = response.body.pipeThrough(stream);
  return new Response(body, { status: response.status, headers: response.headers });
}

function bodyChange(
  fault: Fault,
  place: AnswerPlace,
): (() => Transformer<Uint8Array, Uint8Array>) | undefined {
  switch (fault.kind) {
    case "truncate":
      return () => stopAfter(fault.bytes, async (controller) => controller.terminate());
    case "die":
      return () =>
        stopAfter(fault.bytes, async (controller) => {
          // Lets the bytes before the cut reach the client.
          await pause(30);
          place.cut();
          controller.terminate();
        });
    case "delay":
      return fault.bytes === undefined ? undefined : () => delayAfter(fault.bytes!, fault.milliseconds);
    case "garbage-line":
      return () => insertLine(fault.line, fault.text);
    case "corrupt-gzip":
      return overwriteMiddle;
    default:
      return undefined;
  }
}

function stopAfter(
  bytes: number,
  stop: (controller: TransformStreamDefaultController<Uint8Array>) => Promise<void>,
): Transformer<Uint8Array, Uint8Array> {
  let left = bytes;
  let stopped = false;
  return {
    async transform(chunk, controller) {
      if (stopped) return;
      if (chunk.length < left) {
        left -= chunk.length;
        controller.enqueue(chunk);
        return;
      }
      stopped = true;
      if (left > 0) controller.enqueue(chunk.subarray(0, left));
      await stop(controller);
    },
    async flush(controller) {
      if (!stopped) await stop(controller);
    },
  };
}

function delayAfter(bytes: number, milliseconds: number): Transformer<Uint8Array, Uint8Array> {
  let left = bytes;
  return {
    async transform(chunk, controller) {
      if (left > 0 && chunk.length >= left) {
        controller.enqueue(chunk.subarray(0, left));
        await pause(milliseconds);
        controller.enqueue(chunk.subarray(left));
      } else controller.enqueue(chunk);
      left -= chunk.length;
    },
  };
}

function insertLine(line: number, text: string): Transformer<Uint8Array, Uint8Array> {
  let seen = 0;
  let done = false;
  const garbage = Buffer.from(`${text}\n`, "latin1");
  return {
    transform(chunk, controller) {
      if (done) return controller.enqueue(chunk);
      let at = 0;
      while (seen < line) {
        const end = chunk.indexOf(10, at);
        if (end < 0) break;
        at = end + 1;
        seen++;
      }
      if (seen < line) return controller.enqueue(chunk);
      done = true;
      controller.enqueue(Buffer.concat([chunk.subarray(0, at), garbage, chunk.subarray(at)]));
    },
    flush(controller) {
      if (!done) controller.enqueue(garbage);
    },
  };
}

function overwriteMiddle(): Transformer<Uint8Array, Uint8Array> {
  let first = true;
  return {
    transform(chunk, controller) {
      if (!first || chunk.length < 20) return controller.enqueue(chunk);
      first = false;
      const spoilt = Buffer.from(chunk);
      const middle = Math.floor(chunk.length / 2);
      for (let at = middle; at < Math.min(middle + 16, chunk.length); at++) spoilt[at]! ^= 0xff;
      controller.enqueue(spoilt);
    },
  };
}

/** The whole body under a false Content-Length. One that is too great would leave the client waiting, so the connection is cut. */
async function withWrongLength(response: Response, by: number, place: AnswerPlace): Promise<Response> {
  const bytes = new Uint8Array(await response.arrayBuffer());
  const headers = new Headers(response.headers);
  headers.set("content-length", String(bytes.length + by));
  const body = new ReadableStream<Uint8Array>({
    async start(controller) {
      controller.enqueue(bytes);
      await pause(30);
      place.cut();
      controller.close();
    },
  });
  return new Response(body, { status: response.status, headers });
}
