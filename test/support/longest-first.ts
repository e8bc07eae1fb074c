import path from "node:path";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** What takes minutes, the longest first: begun last, it would keep one processor busy after all others are done. */
const LONG = [
  "test/invariant/invariant.test.ts",
  "test/differential/differential.test.ts",
  "test/fault/source-kill.test.ts",
  "test/fault/s3-lake.test.ts",
  "test/integration/subscriptions.test.ts",
  "test/e2e/cli.test.ts",
  "test/fault/operations-kill.test.ts",
];

function rank({ moduleId }: TestSpecification): number {
  const place = LONG.findIndex((file) => moduleId.endsWith(path.normalize(`/${file}`)));
  return place === -1 ? LONG.length : place;
}

/** The order in which test files are begun. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b));
  }
}
