export type { FoundSubscription } from "./found.js";
export {
  isDelivering,
  newEnd,
  type PlanSettings,
  planSubscriptions,
  type SubscriptionAction,
} from "./plan.js";
export {
  type HeardNumbers,
  hear,
  type MissingEvents,
  missing,
  restarted,
  type Sequence,
  settledUpTo,
} from "./sequence.js";
export { type SubscriptionServer, subscriptionServer } from "./server.js";
export {
  type Dialect,
  type PayloadLevel,
  type SubscribeSettings,
  type WantedSubscription,
  type WantedTopic,
  wantedSubscriptions,
} from "./wanted.js";
