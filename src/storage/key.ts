import { LakeError } from "#kernel";

const SEGMENT = "[A-Za-z0-9._=-]+";
const KEY = new RegExp(`^(?!.*(?:^|/)\\.{1,2}(?:/|$))${SEGMENT}(?:/${SEGMENT})*$`);

/** The key itself when it is one: segments of `[A-Za-z0-9._=-]` that cannot lead out of the lake. Errors: `storage/bad-key`. */
export function checkKey(key: string): string {
  if (!KEY.test(key)) {
    throw new LakeError("invalid-input", "storage/bad-key", `'${key}' is not a valid object key.`);
  }
  return key;
}

/** The label itself when it is a single key segment. Errors: `storage/bad-key`. */
export function checkLabel(label: string): string {
  if (label.includes("/")) {
    throw new LakeError("invalid-input", "storage/bad-key", `'${label}' is not a name of a folder.`);
  }
  return checkKey(label);
}
