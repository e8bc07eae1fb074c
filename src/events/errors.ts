import { LakeError } from "#kernel";

/** Codes of the errors that this module throws. */
export type EventsErrorCode =
  | "events/version-conflict"
  | "events/bad-event"
  | "events/append-outcome-unknown"
  | "events/unavailable"
  | "events/closed"
  | "events/corrupt-journal"
  | "events/newer-journal"
  | "events/bad-database-url"
  | "events/behind-retention"
  | "events/set-back"
  | "events/foreign-event";

/** Another writer appended first: the stream is not at the version that the caller built upon. */
export function versionConflict(stream: string, expected: number, actual: number): LakeError {
  return new LakeError(
    "conflict",
    "events/version-conflict",
    `The stream '${stream}' is at version ${actual}, not ${expected}; read it again and decide anew.`,
    { details: { stream, expected, actual } },
  );
}

/** The journal cannot be reached or written now. */
export function journalUnavailable(action: string, cause?: unknown): LakeError {
  return new LakeError(
    "unavailable",
    "events/unavailable",
    `The journal could not ${action}; check its disk or database and try again.`,
    { cause, retryable: true },
  );
}

/** The event cannot be recorded as it is. */
export function badEvent(message: string): LakeError {
  return new LakeError("invalid-input", "events/bad-event", message);
}

/** The journal's file or tables were written by a later fhir-lake. */
export function newerJournal(location: string, version: number, known: number): LakeError {
  return new LakeError(
    "unsupported",
    "events/newer-journal",
    `The journal in '${location}' was written by a newer fhir-lake (format ${version}, this program knows ${known}); upgrade fhir-lake.`,
    { details: { version, known } },
  );
}

/** The journal ends before a position up to which it was read: what was appended since takes the places of events that it has lost. */
export function journalSetBack(head: number, position: number): LakeError {
  return new LakeError(
    "conflict",
    "events/set-back",
    `The journal ends at ${head} although it was read up to ${position}: it was set back to an earlier state; restart what follows it, and run its sources in full.`,
    { details: { head, position } },
  );
}

/** Something kept outside the journal names an event that the journal does not hold there. */
export function foreignEvent(position: number): LakeError {
  return new LakeError(
    "conflict",
    "events/foreign-event",
    `What was kept of event ${position} is not of this journal, or the journal no longer has it; read the journal itself.`,
    { details: { position } },
  );
}

/** One of the event ids stands in the journal already, and not as a repetition of the same append. */
export function idTaken(cause?: unknown): LakeError {
  return new LakeError(
    "invalid-input",
    "events/bad-event",
    "An event id was used before for another append.",
    {
      cause,
    },
  );
}
