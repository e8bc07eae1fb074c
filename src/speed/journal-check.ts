import type { EventStore } from "#events";
import { LakeError } from "#kernel";
import type { JournalMark, Snapshot } from "#lake";

/** Says of a journal, by the event at a position, which one it is. Its identity is recorded in it when it has none yet. */
export async function journalMark(journal: EventStore, position: number): Promise<JournalMark> {
  const identity = await journal.identity();
  const standing = await journal.mark(position);
  return { journal: identity, position, ...(standing === undefined ? {} : { event: standing.id }) };
}

function otherJournal({ location }: EventStore, position: number): LakeError {
  return new LakeError(
    "conflict",
    "speed/other-journal",
    `The journal in '${location}' is not the one whose changes the lake holds up to ${position}, or was set back and written on since; give the lake that one (DATABASE_URL, FHIR_LAKE_JOURNAL), or go on with this one by 'fhir-lake journal adopt'.`,
    { details: { position } },
  );
}

/**
 * Makes sure that a journal is the one whose changes a snapshot covers, and has not lost any of these: what was appended in their places would
 * count as covered, and never be seen. Errors: `speed/journal-behind`, `speed/other-journal`.
 */
export async function checkJournal(journal: EventStore, snapshot: Snapshot | undefined): Promise<void> {
  const sources = Object.values(snapshot?.sources ?? {});
  const marks = sources.flatMap((source) => source.journalMark ?? []);
  const positions = [
    ...sources.map((source) => source.journalPosition ?? 0),
    ...marks.map((m) => m.position),
  ];
  const covered = Math.max(0, ...positions);
  if (covered === 0) return;
  const head = await journal.head();
  if (head < covered) {
    throw new LakeError(
      "conflict",
      "speed/journal-behind",
      `The journal in '${journal.location}' ends at ${head} although the lake holds changes of its journal up to ${covered}; bring the lake's journal back (DATABASE_URL, FHIR_LAKE_JOURNAL, a backup), or go on with this one by 'fhir-lake journal adopt'.`,
      { details: { head, covered } },
    );
  }
  const newest = marks.reduce<JournalMark | undefined>(
    (last, mark) => (mark.position > (last?.position ?? -1) ? mark : last),
    undefined,
  );
  if (newest === undefined) return;
  const here = await journalMark(journal, newest.position);
  const isOther = marks.some((mark) => mark.journal !== here.journal);
  // An event may be gone because its stream was trimmed; events before the newest one stand when it does.
  const isRewritten = newest.event !== undefined && here.event !== undefined && newest.event !== here.event;
  if (isOther || isRewritten) throw otherJournal(journal, covered);
}
