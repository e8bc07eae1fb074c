import type { FollowContext } from "./context.js";

/** Says that a source is live as far as its notifications go: unless what they only named has not been read yet. */
export async function tellLive(
  { states, fetchDelay }: Pick<FollowContext, "states" | "fetchDelay">,
  source: string,
): Promise<void> {
  const delay = fetchDelay(source);
  await (delay === undefined ? states.set(source, "live") : states.set(source, delay.state, delay.reason));
}
