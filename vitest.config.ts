import { defineConfig } from "vitest/config";
import { LongestFirst } from "./test/support/longest-first.js";

const shared = {
  resolve: { conditions: ["source"] },
  ssr: { resolve: { conditions: ["source"] } },
};
const timeouts = { testTimeout: 90_000, hookTimeout: 120_000 };

export default defineConfig({
  test: {
    // More at a time than cores: most tests wait for processes, timers and files.
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
    globalSetup: ["test/support/temporary-folder.ts"],
    projects: [
      {
        ...shared,
        test: {
          name: "source",
          include: ["{src,ingestion,serving}/**/*.test.ts", "test/**/*.test.ts"],
          exclude: ["test/e2e/**", "test/fault/**", "test/sandbox/**"],
          ...timeouts,
        },
      },
      {
        ...shared,
        // These run the built program, as users do: the command line, and the process that SQL runs in.
        test: {
          name: "built",
          include: ["test/{e2e,fault,sandbox}/**/*.test.ts"],
          globalSetup: ["test/support/build.ts"],
          ...timeouts,
        },
      },
    ],
  },
});
