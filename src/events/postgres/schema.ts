/** Kept in `journal_head.format`; a journal with a greater one is refused. */
export const JOURNAL_VERSION = 2;

/** Serializes appends, so that positions become visible in their order; also taken while the tables are made. */
export const APPEND_LOCK = 0x666c_6a6e;
/** Where appends are announced. */
export const CHANNEL = "fhir_lake_journal";

/** The tables of the journal, with the same triggers as in SQLite. Safe to run again. */
export const SCHEMA = `
CREATE TABLE IF NOT EXISTS events (
  position bigint PRIMARY KEY,
  stream text NOT NULL,
  version bigint NOT NULL,
  id text NOT NULL UNIQUE,
  type text NOT NULL,
  data text NOT NULL,
  payload bytea,
  subject text,
  occurred_at text NOT NULL,
  UNIQUE (stream, version)
);
CREATE INDEX IF NOT EXISTS events_subject ON events (subject) WHERE subject IS NOT NULL;
CREATE TABLE IF NOT EXISTS streams (stream text PRIMARY KEY, version bigint NOT NULL);
CREATE TABLE IF NOT EXISTS journal_head (one int PRIMARY KEY CHECK (one = 1), position bigint NOT NULL, format int NOT NULL);
INSERT INTO journal_head VALUES (1, 0, ${JOURNAL_VERSION}) ON CONFLICT DO NOTHING;
UPDATE journal_head SET format = ${JOURNAL_VERSION} WHERE format < ${JOURNAL_VERSION};
CREATE TABLE IF NOT EXISTS subject_keys (subject text PRIMARY KEY, key bytea NOT NULL, since bigint NOT NULL DEFAULT 0);
ALTER TABLE subject_keys ADD COLUMN IF NOT EXISTS since bigint NOT NULL DEFAULT 0;
CREATE TABLE IF NOT EXISTS checkpoints (name text PRIMARY KEY, position bigint NOT NULL);
CREATE TABLE IF NOT EXISTS trims (stream_prefix text PRIMARY KEY, position bigint NOT NULL);
CREATE OR REPLACE FUNCTION fhir_lake_keep_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' AND EXISTS (
    SELECT 1 FROM trims WHERE starts_with(OLD.stream, stream_prefix) AND OLD.position <= position
  ) THEN RETURN OLD; END IF;
  RAISE EXCEPTION 'the journal is append-only';
END $$;
CREATE OR REPLACE TRIGGER events_keep BEFORE UPDATE OR DELETE ON events
FOR EACH ROW EXECUTE FUNCTION fhir_lake_keep_events();
`;

/** Columns that reading selects, joined with the key of the payload. A key opens what was appended since it was made. */
export const SELECT_EVENTS = `SELECT e.position, e.stream, e.version, e.id, e.type, e.data, e.payload, e.subject, e.occurred_at, k.key
FROM events e LEFT JOIN subject_keys k ON k.subject = e.subject AND k.since <= e.position`;

/** Which events stand at some positions, and their keys. */
export const SELECT_KEYS = `SELECT e.position, e.id, k.key
FROM events e LEFT JOIN subject_keys k ON k.subject = e.subject AND k.since <= e.position`;

/** Columns of an event without its key. */
export const SELECT_SEALED =
  "SELECT e.position, e.stream, e.version, e.id, e.type, e.data, e.payload, e.subject, e.occurred_at FROM events e";
