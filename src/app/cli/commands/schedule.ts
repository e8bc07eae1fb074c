import { LakeError } from "#kernel";
import { hasSchedules, runScheduler } from "../../source-run/scheduler.js";
import type { Command } from "../command.js";
import { configuredSources, loadedConfig } from "../config-option.js";
import { EXIT } from "../exit-code.js";
import { withLake } from "../open-lake.js";
import { runContext, stopSignal } from "../run-context.js";

/** `fhir-lake schedule` */
export const scheduleCommand: Command = {
  name: ["schedule"],
  summary: "Run the configured sources at their times until stopped",
  usage: "[--views DIR]…",
  help: [
    "--views DIR        a folder of further ViewDefinitions to keep materialized",
    "Times that were missed are made up for once. Ctrl+C or SIGTERM stops; a run under way is resumed next time.",
  ],
  options: { views: { type: "string", multiple: true } },
  positionals: [0, 0],
  run: async (invocation) => {
    const { output, environment } = invocation;
    const loaded = loadedConfig(invocation);
    const sources = configuredSources(loaded, environment);
    if (!hasSchedules(sources)) {
      throw new LakeError(
        "invalid-input",
        "cli/no-schedule",
        'No source of the configuration has a schedule; add one such as {"cron": "0 2 * * *", "timeZone": "Europe/Berlin"}.',
      );
    }
    return withLake(invocation, async (lake) => {
      const stop = stopSignal();
      try {
        const log = (message: string): void => output.note(`${new Date().toISOString()} ${message}`);
        const context = await runContext(invocation, lake, loaded, { log });
        const names = sources.filter((s) => s.config.schedule !== undefined).map((s) => s.name);
        log(`waiting for the times of ${names.join(", ")}`);
        await runScheduler({ context, sources, signal: stop.signal });
        return EXIT.ok;
      } finally {
        stop.off();
      }
    });
  },
};
