import { LakeError } from "#kernel";
import type { OptionValues } from "./command.js";
import { textOption } from "./option-value.js";

/** The text of an option that must be given. Errors: `cli/missing-option`. */
export function requiredOption(values: OptionValues, name: string): string {
  const text = textOption(values, name);
  if (text === undefined || text === "") {
    throw new LakeError("invalid-input", "cli/missing-option", `--${name} is needed; see --help.`);
  }
  return text;
}
