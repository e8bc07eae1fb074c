import type { Clock } from "#kernel";
import type { LiveLake, SourceLiveBoard } from "#speed";
import type { CatchUp } from "../catch-up.js";
import type { FetchDelay, FetchSource } from "../fetch-back/index.js";
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
  /** Why what notifications of a source only named is not here yet; undefined while nothing waits for long. */
  readonly fetchDelay: (source: string) => FetchDelay | undefined;
  readonly clock: Clock;
  readonly onError?: ((error: unknown) => void) | undefined;
}
