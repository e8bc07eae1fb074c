import { isLakeError, type LakeError } from "#kernel";
import type { SnapshotReader } from "../catalog.js";
import type { QueryService } from "../query-service.js";
import { parameterValue, type SavedQuery } from "./saved-query.js";

/** No statement is run, so one process can look at all of them. */
const AUDIENCE = "saved queries";

/** What is wrong with a saved query over the views of a state. */
export interface SavedProblem {
  readonly query: string;
  readonly error: LakeError;
}

/**
 * Has the engine read and bind a saved query without running it, with its defaults as values. Answers with what is wrong, or undefined. Takes
 * the state over.
 */
export async function checkSavedQuery(
  service: Pick<QueryService, "runSql">,
  snapshot: SnapshotReader,
  query: SavedQuery,
): Promise<SavedProblem | undefined> {
  const parameters = Object.fromEntries(
    query.parameters.map((parameter) => [
      parameter.name,
      typeof parameter.default === "string"
        ? parameterValue(parameter, parameter.default)
        : ({ kind: "null" } as const),
    ]),
  );
  try {
    const answer = await service.runSql(snapshot, { sql: query.sql, parameters, audience: AUDIENCE });
    answer.close();
    return undefined;
  } catch (error) {
    if (isLakeError(error)) return { query: query.name, error };
    throw error;
  }
}
