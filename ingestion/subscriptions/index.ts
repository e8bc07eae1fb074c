export {
  createReceiver,
  type DeadLetter,
  type Receiver,
  type ReceiverOptions,
  type ReceiverPorts,
  type SourceReference,
} from "./receiver.js";
export type { SecretHeader, Sender } from "./sender.js";
export { referenceTarget, type TopicEvent, type TopicStatus } from "./topic-status.js";
