import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { EventStore } from "#events";
import { didYouMean, LakeError } from "#kernel";
import {
  DEAD_LETTER_RETENTION_DAYS,
  deadLetterBody,
  deadLetterSources,
  newestDeadLetters,
} from "../../dead-letters.js";
import { presentJournal } from "../../journal-files.js";
import type { Command, Invocation } from "../command.js";
import { loadedConfig } from "../config-option.js";
import { EXIT } from "../exit-code.js";
import { withLake } from "../open-lake.js";
import { parseCount, parseTime, textOption } from "../option-value.js";

/** Says why there is none where the source's name is the reason. Errors: `cli/no-such-source`. */
async function checkSource(
  invocation: Invocation,
  journal: EventStore | undefined,
  source: string,
): Promise<void> {
  const configured = Object.keys(loadedConfig(invocation).config.sources);
  const known = new Set([...configured, ...(journal === undefined ? [] : await deadLetterSources(journal))]);
  if (known.has(source)) return;
  throw new LakeError(
    "not-found",
    "cli/no-such-source",
    `There is no source named '${source}', neither in the configuration nor among those that sent notifications.${didYouMean(source, known)}`,
  );
}

async function list(invocation: Invocation, journal: EventStore | undefined): Promise<number> {
  const { output, values } = invocation;
  const source = textOption(values, "source");
  const since = textOption(values, "since");
  const limit = parseCount(textOption(values, "limit") ?? "20", "limit", 1);
  const sinceMs = since === undefined ? undefined : parseTime(since, "since");
  if (source !== undefined) await checkSource(invocation, journal, source);
  const found = journal === undefined ? [] : await newestDeadLetters(journal, { source, sinceMs, limit });
  output.document(found);
  if (found.length === 0) {
    output.line("No notification stands refused: there are no dead letters to show.");
    return EXIT.ok;
  }
  output.table(
    ["position", "at", "source", "sender", "code", "bytes", "body", "message"],
    found.map((one) => [
      // As --body takes it, without separators.
      String(one.position),
      one.at,
      one.source,
      one.sender,
      one.code,
      one.sizeBytes,
      one.isErased ? "erased" : "kept",
      one.message,
    ]),
  );
  return EXIT.ok;
}

/** Errors: `cli/no-such-dead-letter`, `cli/body-erased`. */
async function writeBody(
  { output }: Invocation,
  journal: EventStore | undefined,
  position: number,
): Promise<number> {
  const body = journal === undefined ? undefined : await deadLetterBody(journal, position);
  if (body === undefined) {
    throw new LakeError(
      "not-found",
      "cli/no-such-dead-letter",
      `There is no dead letter at position ${position}; fhir-lake dead-letters lists them. They go after ${DEAD_LETTER_RETENTION_DAYS} days.`,
    );
  }
  if (body === "erased") {
    throw new LakeError(
      "not-found",
      "cli/body-erased",
      `The body of dead letter ${position} named a person who was erased: its key was destroyed and nobody can read it any more.`,
    );
  }
  await pipeline(Readable.from([body]), output.results, { end: false });
  return EXIT.ok;
}

/** `fhir-lake dead-letters` */
export const deadLettersCommand: Command = {
  name: ["dead-letters"],
  summary: "List notifications that could not be used, or show the body of one",
  usage: "[--source NAME] [--since INSTANT] [--limit N] | --body POSITION",
  help: [
    "--source NAME      of this source only",
    "--since INSTANT    refused at this time or later, such as 2026-03-01T08:00:00Z",
    "--limit N          the newest so many (default 20), the newest last",
    "--body POSITION    write this one's body to stdout, byte for byte as it was sent: it may hold data of patients (PHI)",
  ],
  options: {
    source: { type: "string" },
    since: { type: "string" },
    limit: { type: "string" },
    body: { type: "string" },
  },
  positionals: [0, 0],
  run: (invocation) =>
    withLake(invocation, async (lake) => {
      const body = textOption(invocation.values, "body");
      const position = body === undefined ? undefined : parseCount(body, "body", 1);
      const journal = await presentJournal(lake.store.location, invocation.environment);
      try {
        return position === undefined
          ? await list(invocation, journal)
          : await writeBody(invocation, journal, position);
      } finally {
        await journal?.close();
      }
    }),
};
