export type { FoundSubscription } from "./found.js";
export {
  isDelivering,
  newEnd,
  planSubscriptions,
  type SubscriptionAction,
} from "./plan.js";
export {
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
  type SubscribeSettings,
  wantedSubscriptions,
} from "./wanted.js";
