import path from "node:path";
import { type EventStore, openEventStore } from "#events";
import { isLakeError, LakeError } from "#kernel";
import type { AuditLink, AuditStream } from "#serving";
import { auditFile } from "../journal-files.js";

const STREAM = "audit";
const LINK = "audit-link";
/** Schema in Postgres; the journal of changes stands beside it, so that reading does not move its positions. */
const SCHEMA = "fhir_lake_audit";

/** The audit log of a lake, open. */
export interface AuditStore {
  readonly stream: AuditStream;
  readonly location: string;
  close(): Promise<void>;
}

/** The links of a chain as the events of a stream. */
export function auditStream(events: EventStore): AuditStream {
  return {
    append: async (links, after) => {
      try {
        const data = links.map((link) => ({ type: LINK, data: link }));
        await events.append({ stream: STREAM, events: data, expected: after });
        return true;
      } catch (error) {
        if (isLakeError(error, "events/version-conflict")) return false;
        throw error;
      }
    },
    last: async () => await events.streamVersion(STREAM),
    read: async function* (from) {
      for await (const { version, data } of events.readStream(STREAM, from)) {
        yield { number: version, link: data as AuditLink };
      }
    },
  };
}

/**
 * Opens the audit log of a lake: a schema of its own in Postgres (`DATABASE_URL`), or the file of {@link auditFile}. Fails with
 * `access/no-audit-place` for a lake that has neither.
 */
export async function openAudit(location: string, environment: NodeJS.ProcessEnv): Promise<AuditStore> {
  const databaseUrl = environment["DATABASE_URL"];
  const file = auditFile(location, environment);
  if (file === undefined && databaseUrl === undefined) {
    throw new LakeError(
      "invalid-input",
      "access/no-audit-place",
      'What is read must be recorded: name a place with DATABASE_URL or FHIR_LAKE_AUDIT (a file), or write "audit": "off" under security.',
    );
  }
  const events = await openEventStore({
    file: file ?? path.resolve("audit.sqlite"),
    databaseUrl,
    schema: SCHEMA,
  });
  return { stream: auditStream(events), location: events.location, close: () => events.close() };
}
