import { createReadStream } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import path from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { generatePopulation, type PopulationOptions } from "#synthetic";

/** A trickle of changes to a synthetic population. */
export interface TrickleOptions {
  /** The population whose resources change: the same size and seed as the one in the lake. */
  readonly population: Pick<PopulationOptions, "patients" | "seed">;
  /** An empty folder of the trickle's own. */
  readonly folder: string;
  /** Where notifications go. */
  readonly endpoint: string;
  /** Changes per second. */
  readonly perSecond: number;
  readonly signal: AbortSignal;
  /** Told after each change, at most once a second. */
  readonly onSent?: (sent: number) => void;
  /** Told in a sentence that a change was not taken: once until one is taken again. */
  readonly onTrouble?: (what: string) => void;
}

const LAST_UPDATED = /"lastUpdated":"[^"]*"/;
const TARGET = /"url":"([A-Za-z]+\/[A-Za-z0-9.-]+)"/g;

/** A resource as a server would send it now. */
function asOfNow(line: string, now: string): string {
  return line.replace(LAST_UPDATED, `"lastUpdated":"${now}"`);
}

/** A line of the generator's deletions as a history Bundle, which says when. */
function deletes(line: string, now: string): string {
  const entries = [...line.matchAll(TARGET)].map(
    ([, target]) =>
      `{"request":{"method":"DELETE","url":"${target}"},"response":{"status":"204","lastModified":"${now}"}}`,
  );
  return `{"resourceType":"Bundle","type":"history","entry":[${entries.join(",")}]}`;
}

/** The lines of a folder's files, one of each in turn, so that all types of resources flow from the beginning. */
async function* linesOf(
  folder: string,
): AsyncIterable<{ readonly text: string; readonly deletion: boolean }> {
  const entries = await readdir(folder, { recursive: true });
  const files = entries
    .filter((entry) => entry.endsWith(".ndjson"))
    .sort()
    .map((name) => {
      const reader = createInterface({ input: createReadStream(path.join(folder, name)) });
      const deletion = path.basename(name).startsWith("deleted");
      return { reader, lines: reader[Symbol.asyncIterator](), deletion };
    });
  try {
    let open = files;
    while (open.length > 0) {
      const ended = new Set<unknown>();
      for (const file of open) {
        const next = await file.lines.next();
        if (next.done === true) ended.add(file);
        else yield { text: next.value, deletion: file.deletion };
      }
      open = open.filter((file) => !ended.has(file));
    }
  } finally {
    for (const { reader } of files) reader.close();
  }
}

/** Sends one change. Answers why it was not taken, undefined when it was; never the endpoint, which has a secret in it. */
async function send(endpoint: string, body: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    const response = await fetch(endpoint, {
      method: "POST",
      headers: { "Content-Type": "application/fhir+json" },
      body,
      redirect: "error",
      signal,
    });
    await response.arrayBuffer();
    return response.ok ? undefined : `the answer was ${response.status}`;
  } catch (error) {
    if (signal.aborted) throw error;
    return "the connection failed";
  }
}

/**
 * Sends changes to a server's endpoint until told to stop, as a FHIR server with a Subscription would: new and changed resources and
 * deletes of one synthetic night after the other, each with the present time. One that is not taken is left out, the next one is tried. Errors: those of
 * the disk that the changes are made on.
 */
export async function trickle(options: TrickleOptions): Promise<void> {
  const { folder, endpoint, perSecond, signal, population } = options;
  await generatePopulation({ ...population, outDir: folder, updatesBatches: 3 });
  const nights = (await readdir(folder)).filter((name) => name.startsWith("batch-")).sort();
  let sent = 0;
  let toldAt = 0;
  let inTrouble = false;
  try {
    for (let night = 0; !signal.aborted; night = (night + 1) % nights.length) {
      for await (const { text, deletion } of linesOf(path.join(folder, nights[night]!))) {
        if (signal.aborted) return;
        const now = new Date().toISOString();
        const trouble = await send(endpoint, deletion ? deletes(text, now) : asOfNow(text, now), signal);
        if (trouble === undefined) sent++;
        else if (!inTrouble)
          options.onTrouble?.(`A change was not taken: ${trouble}. The next ones are tried.`);
        inTrouble = trouble !== undefined;
        if (trouble === undefined && Date.now() - toldAt >= 1000) {
          options.onSent?.(sent);
          toldAt = Date.now();
        }
        await sleep(1000 / perSecond, undefined, { signal });
      }
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
