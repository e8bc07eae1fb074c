import { readFile } from "node:fs/promises";
import { LakeError } from "#kernel";

/** The text of a ViewDefinition file, digits untouched. Errors: `cli/no-view-file`. */
export async function readViewText(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    throw new LakeError(
      "not-found",
      "cli/no-view-file",
      `The ViewDefinition file '${file}' cannot be read.`,
      { cause },
    );
  }
}
