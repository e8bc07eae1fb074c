/** An event as it stands in the journal's tables: the payload still encrypted, so that it can be kept elsewhere without being read. */
export interface SealedEvent {
  readonly position: number;
  readonly stream: string;
  readonly version: number;
  readonly id: string;
  readonly type: string;
  /** JSON text. */
  readonly data: string;
  /** Nonce, tag and ciphertext; undefined when the event has no payload. */
  readonly payload: Uint8Array | undefined;
  readonly subject: string | undefined;
  readonly occurredAt: string;
}

/** Which event stands at a position: ids are random, so equal marks mean that two journals agree up to there. */
export interface EventMark {
  readonly position: number;
  readonly id: string;
}

/** A mark, and the key that opens the event's payload; undefined when it has none or its subject was shredded. */
export interface OpenableEvent extends EventMark {
  readonly key: Uint8Array | undefined;
}
