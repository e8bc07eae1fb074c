export { embeddedStore } from "./embedded-store.js";
export type { HandOver, Hold } from "./hold.js";
export { checkJournal, journalMark } from "./journal-check.js";
export { type KeptChanges, keptAfter } from "./journal-start.js";
export { LiveLake, type LiveLakeOptions, type LiveState } from "./live-lake.js";
export type { FollowRequest, LiveStore, LoadRequest } from "./live-store.js";
export type { ReadPoint } from "./read-point.js";
export { openRedisStore, type RedisStoreOptions } from "./redis/redis-store.js";
export { wasSetBack } from "./set-back.js";
export {
  SOURCE_LIVE_PREFIX,
  SourceLiveBoard,
  type SourceLiveCode,
  type SourceLiveOptions,
  type SourceLiveState,
  type SourceLiveStates,
} from "./source-live.js";
