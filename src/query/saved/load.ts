import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { LakeError, packageRoot } from "#kernel";
import { parseSavedQuery, type SavedQuery } from "./saved-query.js";

/** The queries that come with the program. */
export function shippedQueriesDirectory(): string {
  return path.join(packageRoot(), "queries");
}

async function sqlFiles(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).filter((name) => name.endsWith(".sql")).sort();
  } catch (error) {
    throw new LakeError("not-found", "query/no-such-folder", `There is no folder of queries ${folder}.`, {
      cause: error,
    });
  }
}

/**
 * The queries of folders by name: the file's name without `.sql`. Later folders replace queries of earlier ones. Fails with `query/no-such-folder`,
 * `query/saved-invalid`.
 */
export async function loadSavedQueries(folders: readonly string[]): Promise<Map<string, SavedQuery>> {
  const queries = new Map<string, SavedQuery>();
  for (const folder of folders) {
    for (const fileName of await sqlFiles(folder)) {
      const file = path.join(folder, fileName);
      const name = fileName.slice(0, -".sql".length);
      if (!/^[a-z][a-z0-9_]{0,62}$/.test(name)) {
        throw new LakeError(
          "invalid-input",
          "query/saved-invalid",
          `${file}: the file's name becomes the query's name and is lower-case letters, digits and underscores.`,
          { details: { file } },
        );
      }
      queries.set(name, parseSavedQuery(name, file, await readFile(file, "utf8")));
    }
  }
  return queries;
}
