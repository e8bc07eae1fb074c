import type { LoadedConfig } from "#config";
import { systemClock } from "#kernel";
import type { SelfCheckOptions } from "../serve.js";
import { sendWebhooks } from "../source-run/webhook.js";
import type { Invocation } from "./command.js";

/** How a serving command alarms when merged reads do not agree with themselves: by the configured webhooks. */
export function selfCheckSide({ environment, output }: Invocation, loaded: LoadedConfig): SelfCheckOptions {
  const { config, folder } = loaded;
  return {
    onDifference: async ({ checkedAt, before, after, differences }) => {
      const views = differences.map(({ view }) => view);
      const event = {
        event: "difference",
        at: checkedAt,
        snapshots: [before, after] as const,
        views,
      } as const;
      const lost = await sendWebhooks(config.webhooks, event, { environment, folder, clock: systemClock });
      if (lost > 0) output.note(`${lost} webhooks could not be told that merged reads differ`);
    },
  };
}
