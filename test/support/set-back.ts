import { DatabaseSync } from "@photostructure/sqlite";

/**
 * Takes the events after a position away from a journal in SQLite, beside whoever has it open: as Postgres does that is restored to an
 * earlier time, or that fails over to a copy which lagged. Of journals that were not trimmed.
 */
export function setBack(file: string, to: number): void {
  const database = new DatabaseSync(file, { timeout: 30_000 });
  database.exec(`
    BEGIN IMMEDIATE;
    INSERT INTO trims VALUES ('', 9007199254740991);
    DELETE FROM events WHERE position > ${to};
    DELETE FROM trims WHERE stream_prefix = '';
    UPDATE journal_head SET position = ${to};
    DELETE FROM streams;
    INSERT INTO streams SELECT stream, max(version) FROM events GROUP BY stream;
    UPDATE checkpoints SET position = min(position, ${to});
    COMMIT`);
  database.close();
}
