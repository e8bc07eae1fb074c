export { type EventsErrorCode, journalSetBack } from "./errors.js";
export type {
  AppendRequest,
  AppendResult,
  EventFilter,
  ExpectedVersion,
  NewEvent,
  StoredEvent,
} from "./event.js";
export type { StreamState } from "./event-log.js";
export { EventStore } from "./event-store.js";
export { type EventStoreOptions, openEventStore } from "./open.js";
export type { EventMark, SealedEvent } from "./sealed-event.js";
export type { Subscription, SubscriptionOptions } from "./subscription.js";
