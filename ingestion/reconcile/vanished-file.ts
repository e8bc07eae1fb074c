import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { LakeError } from "#kernel";

/** A live resource of the lake that a list of the source does not have. */
export interface VanishedResource {
  readonly type: string;
  readonly id: string;
  /** Order key of the lake's version: a delete must be greater. */
  readonly order: string;
}

const LINE = /^([A-Za-z]+)\/([A-Za-z0-9\-.]{1,64})\t([0-9a-f]{90})$/;

/** Reads a list of vanished resources: lines `Type/id`, tab, order key. Errors: `source/bad-id-list`. */
export async function* readVanished(file: string): AsyncGenerator<VanishedResource> {
  let number = 0;
  for await (const line of createInterface({ input: createReadStream(file) })) {
    number++;
    const found = LINE.exec(line);
    if (found === null) {
      throw new LakeError(
        "corrupt-data",
        "source/bad-id-list",
        `Line ${number} of '${file}' names no resource with its order key; compare the ids again.`,
      );
    }
    yield { type: found[1]!, id: found[2]!, order: found[3]! };
  }
}
