// The entry of the journal's thread: SQLite's fsync blocks here, not in the process that serves.
import { parentPort, workerData } from "node:worker_threads";
import { isLakeError } from "#kernel";
import type { JournalCall, JournalReply, SentError } from "./journal-call.js";
import { SqliteJournal } from "./sqlite-journal.js";

const port = parentPort!;

function tell(reply: JournalReply): void {
  port.postMessage(reply);
}

function sent(error: unknown): SentError {
  if (!isLakeError(error)) return { message: error instanceof Error ? error.message : String(error) };
  return { message: error.message, lake: { kind: error.kind, code: error.code, details: error.details } };
}

function answer({ call, method, args }: JournalCall, journal: SqliteJournal): void {
  try {
    const run = journal[method] as (...values: readonly unknown[]) => unknown;
    tell({ call, value: run.apply(journal, [...args]) });
  } catch (error) {
    tell({ call, error: sent(error) });
  }
  if (method === "close") port.close();
}

try {
  const journal = new SqliteJournal((workerData as { file: string }).file);
  port.on("message", (call: JournalCall) => answer(call, journal));
  tell({ call: 0, value: undefined });
} catch (error) {
  tell({ call: 0, error: sent(error) });
  port.close();
}
