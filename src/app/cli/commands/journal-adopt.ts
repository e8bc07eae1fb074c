import path from "node:path";
import { openEventStore } from "#events";
import { isLakeError } from "#kernel";
import { checkJournal } from "#speed";
import { goOnWith } from "../../adopt-journal.js";
import { journalFile } from "../../journal-files.js";
import type { Command } from "../command.js";
import { EXIT } from "../exit-code.js";
import { withLake } from "../open-lake.js";

/** `fhir-lake journal adopt` */
export const journalAdoptCommand: Command = {
  name: ["journal", "adopt"],
  summary: "Go on with the present journal where the lake's own is lost or was set back",
  usage: "",
  help: [
    "Changes that the old journal had acknowledged and no snapshot holds are lost: the next run of every source asks for everything.",
    "What the present journal holds is folded in by the next flush. Nothing happens when it is the lake's own.",
  ],
  options: {},
  positionals: [0, 0],
  run: (invocation) =>
    withLake(
      invocation,
      async (lake) => {
        const { environment, output } = invocation;
        const databaseUrl = environment["DATABASE_URL"];
        const file = journalFile(lake.store.location, environment) ?? path.resolve("journal.sqlite");
        const journal = await openEventStore({ file, databaseUrl });
        try {
          const refused = await checkJournal(journal, await lake.history.latest()).catch((error: unknown) => {
            if (isLakeError(error, "speed/journal-behind") || isLakeError(error, "speed/other-journal"))
              return error;
            throw error;
          });
          const made = refused === undefined ? undefined : await goOnWith(lake, journal);
          output.document({ journal: journal.location, snapshot: made?.id ?? null });
          output.line(
            made === undefined
              ? `The journal in ${journal.location} is the lake's own; nothing was changed.`
              : `Snapshot ${made.id} goes on with the journal in ${journal.location}. Now run every source; what files and notifications alone brought must be sent again.`,
          );
          return EXIT.ok;
        } finally {
          await journal.close();
        }
      },
      { mustExist: true },
    ),
};
