import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import type { Lake } from "#lake";

/** All files below a folder. */
export async function filesBelow(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { withFileTypes: true, recursive: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name));
}

/** Everything a Parquet file says: all columns of all rows as text. */
async function parquetText(lake: Lake, file: string): Promise<string> {
  const rows = await lake.database.with((connection) =>
    connection.rows<{ row: string }>(
      `SELECT to_json(t)::VARCHAR AS row FROM read_parquet('${file.replaceAll("'", "''")}', hive_partitioning = false) t`,
    ),
  );
  return rows.map((row) => row.row).join("\n");
}

/**
 * The files below a folder that hold any of the canaries, in their raw bytes, unpacked, or in any column of a Parquet file. `lake` lends its
 * engine only.
 */
export async function canariesIn(lake: Lake, dir: string, canaries: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const file of await filesBelow(dir)) {
    const bytes = await readFile(file).catch(() => undefined);
    if (bytes === undefined) continue;
    const texts = [bytes.toString("latin1"), bytes.toString("utf8")];
    if (file.endsWith(".parquet")) {
      const text = await parquetText(lake, file).catch((error: unknown) => {
        // It has gone meanwhile.
        if (!existsSync(file)) return "";
        throw error;
      });
      texts.push(text);
    }
    if (bytes[0] === 0x1f && bytes[1] === 0x8b) texts.push(gunzipSync(bytes).toString("utf8"));
    if (canaries.some((canary) => texts.some((text) => text.includes(canary))))
      found.push(path.relative(dir, file));
  }
  return found.sort();
}
