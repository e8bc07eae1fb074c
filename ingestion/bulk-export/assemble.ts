import type { FetchedBatch, FetchedFile } from "../source/fetched.js";
import { writeDeletes } from "./deletes.js";
import { ProblemTally } from "./problems.js";
import type { ExportSession } from "./session.js";
import type { FileState } from "./work.js";

/** Makes the batch of an export whose files are all here. Doing it again gives the same. */
export async function assemble(session: ExportSession): Promise<FetchedBatch> {
  const { state, options, work } = session;
  const files = state.pages.flatMap((page) => page.files);
  const tally = new ProblemTally(options.types ?? typesIn(files));
  const fetched: FetchedFile[] = [];
  for (const file of files) {
    const done = work.finished(file.name)!;
    const path = work.pathOf(file.name);
    if (file.section === "error") await tally.readFile(path);
    else if (file.section === "deleted") fetched.push(await deletesOf(session, path, tally));
    else {
      const { sizeBytes, sha256, lines } = done;
      fetched.push({ path, kind: "resources", type: file.type!, lines, sha256, sizeBytes });
      noteOddities(session, file, lines, tally);
    }
  }
  const { problems, incompleteTypes } = tally.report();
  const { requests, retries, bytes } = options.http.statistics;
  return {
    transactionTime: state.transactionTime!,
    files: fetched,
    deletesListed: listsDeletes(session, files),
    problems,
    incompleteTypes,
    statistics: { requests, retries, bytes, resumedFiles: session.resumedFiles },
  };
}

function typesIn(files: readonly FileState[]): Set<string> {
  return new Set(files.flatMap(({ section, type }) => (section === "output" ? (type ?? []) : [])));
}

async function deletesOf(session: ExportSession, source: string, tally: ProblemTally): Promise<FetchedFile> {
  const { file, unusable } = await writeDeletes(source, session.state.transactionTime!);
  session.reached("changes.written");
  if (unusable > 0) {
    tally.add({
      severity: "error",
      message: `${unusable} entries of the server's deletes are no deletes of one resource and are not applied.`,
    });
    tally.markIncomplete(undefined);
  }
  return file;
}

function noteOddities(session: ExportSession, file: FileState, lines: number, tally: ProblemTally): void {
  const { types } = session.options;
  if (types !== undefined && !types.includes(file.type!)) {
    tally.add({
      severity: "information",
      type: file.type!,
      message: `The server sent ${file.type} although it was not asked for.`,
    });
  }
  if (file.count !== undefined && file.count !== lines) {
    tally.add({
      severity: "warning",
      type: file.type!,
      message: `A file of ${file.type} has ${lines} lines where the manifest says ${file.count}.`,
    });
  }
}

/** An absent or empty list proves nothing, because most servers never fill it. */
function listsDeletes(session: ExportSession, files: readonly FileState[]): boolean {
  const { since, emptyDeletedMeansNone = false } = session.options;
  if (since === undefined) return false;
  if (files.some(({ section }) => section === "deleted")) return true;
  return emptyDeletedMeansNone && session.state.pages.some(({ hasDeleted }) => hasDeleted);
}
