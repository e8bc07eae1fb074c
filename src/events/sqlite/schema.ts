/** Kept in `PRAGMA user_version`; a journal with a greater one is refused. */
export const JOURNAL_VERSION = 2;

/**
 * The tables. Triggers refuse what an append-only journal must never do: changing an event, or removing one that no trim covers.
 * `streams` keeps versions beyond the trimming of their events.
 */
export const SCHEMA = `
CREATE TABLE events (
  position INTEGER PRIMARY KEY,
  stream TEXT NOT NULL,
  version INTEGER NOT NULL,
  id TEXT NOT NULL UNIQUE,
  type TEXT NOT NULL,
  data TEXT NOT NULL,
  payload BLOB,
  subject TEXT,
  occurred_at TEXT NOT NULL,
  UNIQUE (stream, version)
);
CREATE INDEX events_subject ON events (subject) WHERE subject IS NOT NULL;
CREATE TABLE streams (stream TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE journal_head (one INTEGER PRIMARY KEY CHECK (one = 1), position INTEGER NOT NULL);
INSERT INTO journal_head VALUES (1, 0);
CREATE TABLE subject_keys (subject TEXT PRIMARY KEY, key BLOB NOT NULL, since INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE TABLE checkpoints (name TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE trims (stream_prefix TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID;
CREATE TRIGGER events_keep_content BEFORE UPDATE ON events
BEGIN SELECT raise(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER events_keep_all BEFORE DELETE ON events
WHEN NOT EXISTS (
  SELECT 1 FROM trims
  WHERE substr(OLD.stream, 1, length(stream_prefix)) = stream_prefix AND OLD.position <= position
)
BEGIN SELECT raise(ABORT, 'the journal is append-only'); END;
`;

/** What makes a journal of format 1 one of format 2: a subject seen again after its key was destroyed has a key of its own from there on. */
export const FROM_1_TO_2 = "ALTER TABLE subject_keys ADD COLUMN since INTEGER NOT NULL DEFAULT 0";

/** Columns that reading selects, joined with the key of the payload. A key opens what was appended since it was made. */
export const SELECT_EVENTS = `SELECT e.position, e.stream, e.version, e.id, e.type, e.data, e.payload, e.subject, e.occurred_at, k.key
FROM events e LEFT JOIN subject_keys k ON k.subject = e.subject AND k.since <= e.position`;

/** Which events stand at some positions, and their keys. */
export const SELECT_KEYS = `SELECT e.position, e.id, k.key
FROM events e LEFT JOIN subject_keys k ON k.subject = e.subject AND k.since <= e.position`;

/** Columns of an event without its key. */
export const SELECT_SEALED =
  "SELECT e.position, e.stream, e.version, e.id, e.type, e.data, e.payload, e.subject, e.occurred_at FROM events e";
