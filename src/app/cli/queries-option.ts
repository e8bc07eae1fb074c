import path from "node:path";
import { isLakeError, LakeError } from "#kernel";
import type { Lake } from "#lake";
import {
  checkSavedQuery,
  createQuery,
  loadSavedQueries,
  type SavedProblem,
  type SavedQuery,
  shippedQueriesDirectory,
} from "#query";
import { openReadCatalog } from "../read-catalog.js";
import type { Invocation } from "./command.js";
import { loadedConfig } from "./config-option.js";
import { listOption } from "./option-value.js";

function ownFolders(invocation: Invocation): string[] {
  const { config, folder } = loadedConfig(invocation);
  const configured = config.queries.map((dir) => path.resolve(folder, dir));
  return [...configured, ...listOption(invocation.values, "queries")];
}

/** The shipped queries, those of the configuration, then those of each `--queries DIR`; later folders replace queries of the same name. */
export async function savedQueries(invocation: Invocation): Promise<Map<string, SavedQuery>> {
  return await loadSavedQueries([shippedQueriesDirectory(), ...ownFolders(invocation)]);
}

/** Has the engine check queries against the views of the newest snapshot; answers with what is wrong. Nothing is run. */
export async function problemsOf(
  { environment }: Invocation,
  lake: Lake,
  queries: Iterable<SavedQuery>,
): Promise<SavedProblem[]> {
  const { catalog, close } = await openReadCatalog(lake, { environment, consistency: "batch" });
  const temporaryFolder = await lake.store.stagingDirectory(`queries-${process.pid}`);
  const query = createQuery({ catalog, database: lake.database, temporaryFolder });
  try {
    const problems: SavedProblem[] = [];
    for (const saved of queries) {
      const problem = await checkSavedQuery(query, await query.snapshot(), saved);
      if (problem !== undefined) problems.push(problem);
    }
    return problems;
  } finally {
    await query.close();
    await close();
  }
}

/** What may be right as soon as there are data, or the view is built. */
const passing = ["query/unknown-view", "query/view-building", "query/view-failed", "query/no-snapshot"];

/**
 * The queries for a server. Those that do not come with the program are checked first: what the engine refuses fails with `cli/bad-query`, a view that
 * is not there (yet) is told as a note.
 */
export async function checkedQueries(invocation: Invocation, lake: Lake): Promise<Map<string, SavedQuery>> {
  const own = await loadSavedQueries(ownFolders(invocation));
  const problems = await checkOwn(invocation, lake, own);
  for (const { query, error } of problems) {
    if (!passing.includes(error.code)) {
      throw new LakeError(
        "invalid-input",
        "cli/bad-query",
        `The saved query '${query}' cannot run: ${error.message}`,
        {
          cause: error,
        },
      );
    }
    invocation.output.note(`The saved query '${query}' cannot run yet: ${error.message}`);
  }
  return await savedQueries(invocation);
}

async function checkOwn(
  invocation: Invocation,
  lake: Lake,
  own: ReadonlyMap<string, SavedQuery>,
): Promise<SavedProblem[]> {
  if (own.size === 0) return [];
  try {
    return await problemsOf(invocation, lake, own.values());
  } catch (error) {
    // An empty lake has no views to check against.
    if (isLakeError(error, "query/no-snapshot")) return [];
    throw error;
  }
}
