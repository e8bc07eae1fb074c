import { isLakeError } from "#kernel";
import type { RunContext } from "./context.js";
import { type RunOutcome, type RunRequest, runSource } from "./run-source.js";
import { tellStaleness } from "./staleness.js";
import { tellWebhooks } from "./webhook.js";

/** {@link runSource}; webhooks hear of a run that failed or came incomplete, and of a source that is behind its target after it. */
export async function runAndTell(context: RunContext, request: RunRequest): Promise<RunOutcome> {
  const outcome = await runSource(context, request);
  const { runId, state, error } = outcome.record;
  const { source } = request;
  if (state === "failed" || state === "incomplete") {
    const at = context.clock.now().toISOString();
    const more = error === null ? {} : { error };
    await tellWebhooks(context, source, { event: "failure", source: source.name, at, runId, state, ...more });
  }
  await tellStaleness(context, source).catch((failed: unknown) => {
    // The run stands as it is; whoever watches the source looks again.
    context.log?.(
      `${source.name}: staleness is not known (${isLakeError(failed) ? failed.code : "internal"})`,
    );
  });
  return outcome;
}
