import type { Clock } from "#kernel";
import type { LiveLake, SourceLiveBoard } from "#speed";
import type { CatchUp } from "../catch-up.js";
import type { FetchSource } from "../fetch-back.js";
import type { FollowLog } from "./follow-log.js";

/** What every follower of one process works with. */
export interface FollowContext {
  readonly log: FollowLog;
  readonly states: SourceLiveBoard;
  readonly rows: Pick<LiveLake, "refresh">;
  readonly catchUp: Pick<CatchUp, "run">;
  readonly source: (name: string) => FetchSource | undefined;
  /** Remembers that these resources must be read from the source, and resolves when they have been. */
  readonly fetchBack: (
    source: string,
    references: readonly { readonly type: string; readonly id: string }[],
  ) => Promise<void>;
  readonly clock: Clock;
  readonly onError?: ((error: unknown) => void) | undefined;
}
