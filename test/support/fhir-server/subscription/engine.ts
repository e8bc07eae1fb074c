import { setTimeout as sleep } from "node:timers/promises";
import type { DataContext } from "../context.js";
import { FhirRefusal } from "../outcome.js";
import { Candidate } from "../search/match.js";
import type { StoredVersion } from "../store.js";
import type { SubscriptionBehaviour } from "./behaviour.js";
import { type Definition, readDefinition, type Selection } from "./definition.js";
import {
  hapiNotice,
  medplumNotice,
  type Notice,
  type StatusFacts,
  type SubscriptionEvent,
  statusBundle,
  statusResource,
  topicNotice,
} from "./notice.js";

/**
 * What becomes of a notification between this server and its subscriber. `drop`: it is lost and this server takes it for delivered.
 * `twice`: it arrives twice. `later`: it arrives after the next one (or at {@link SubscriptionEngine.release}).
 */
export type Fate = "deliver" | "drop" | "twice" | "later";

/** One subscription as the server carries it. */
interface Carried {
  definition: Definition;
  status: string;
  /** Events are counted from the first activation on. */
  counting: boolean;
  eventCount: number;
  events: SubscriptionEvent[];
  /** What is to be sent, in order. */
  work: (() => Promise<void>)[];
  waiting: SubscriptionEvent[];
  held: Notice[];
  working: Promise<void> | undefined;
  failures: number;
  heartbeat: NodeJS.Timeout | undefined;
}

function meets(selection: Selection, version: StoredVersion): boolean {
  if (selection.type !== undefined && selection.type !== version.type) return false;
  const candidate = new Candidate(version);
  return selection.filters.every((filter) => filter(candidate));
}

/** Watches the store and sends what Subscriptions ask for. */
export class SubscriptionEngine {
  /** Decides on each notification; the number counts all of the server from 1. */
  fate: (notice: Notice, number: number) => Fate = () => "deliver";
  /** While true, no subscriber can be reached. */
  isDown = false;
  /** Everything that was sent or should have been, with what became of it. */
  readonly sent: { readonly notice: Notice; readonly fate: Fate | "failed" }[] = [];
  readonly #context: DataContext;
  readonly #behaviour: SubscriptionBehaviour;
  readonly #carried = new Map<string, Carried>();
  readonly #stopWatching: () => void;
  readonly #closed = new AbortController();
  #ownWrite = false;
  #number = 0;

  constructor(context: DataContext, behaviour: SubscriptionBehaviour) {
    this.#context = context;
    this.#behaviour = behaviour;
    this.#stopWatching =
      behaviour.kind === "none" ? () => {} : context.store.onChange((version) => this.#changed(version));
  }

  get behaviour(): SubscriptionBehaviour {
    return this.#behaviour;
  }

  /** Refuses a Subscription that this server could not carry out. */
  check(body: Buffer): void {
    if (this.#behaviour.kind === "none") return;
    let resource: unknown;
    try {
      resource = JSON.parse(String(body));
    } catch {
      // The store refuses it in its own words.
      return;
    }
    readDefinition(resource as Record<string, unknown>, this.#behaviour, this.#context.profile);
  }

  /** Waits until everything is sent that can be. */
  async idle(): Promise<void> {
    for (;;) {
      const working = [...this.#carried.values()].flatMap(({ working }) => working ?? []);
      if (working.length === 0) return;
      await Promise.all(working);
    }
  }

  /** Sends what was held back. */
  async release(): Promise<void> {
    for (const carried of this.#carried.values()) {
      this.#queue(carried, async () => {
        await this.#flushHeld(carried);
      });
    }
    await this.idle();
  }

  /** Begins to count events anew, as a server does that lost its memory. */
  reset(): void {
    for (const carried of this.#carried.values()) {
      carried.eventCount = 0;
      carried.events = [];
    }
  }

  close(): void {
    this.#closed.abort();
    this.#stopWatching();
    for (const { heartbeat } of this.#carried.values()) clearInterval(heartbeat);
    this.#carried.clear();
  }

  #facts(
    carried: Carried,
    type: StatusFacts["type"],
    events: readonly SubscriptionEvent[] = [],
    content = carried.definition.content,
  ): StatusFacts {
    const { definition, status, eventCount } = carried;
    const { base } = this.#context;
    return { definition, base, behaviour: this.#behaviour, status, type, eventCount, events, content };
  }

  #known(id: string): Carried {
    const carried = this.#carried.get(id);
    if (carried === undefined) throw new FhirRefusal(404, "not-found", "There is no such Subscription.");
    return carried;
  }

  /** `$status` of the named subscriptions, or of all. */
  statusTexts(ids: readonly string[]): string[] {
    const wanted = ids.length === 0 ? [...this.#carried.keys()] : ids;
    return wanted.map((id) => JSON.stringify(statusResource(this.#facts(this.#known(id), "query-status"))));
  }

  /** `$events`: both ends are in it. */
  eventsText(
    id: string,
    range: { readonly since?: number; readonly until?: number; readonly content?: string | undefined },
  ): string {
    const carried = this.#known(id);
    const { since = 1, until = Number.POSITIVE_INFINITY } = range;
    const events = carried.events.filter(({ number }) => number >= since && number <= until);
    const content = (range.content as Definition["content"] | undefined) ?? carried.definition.content;
    return statusBundle(this.#facts(carried, "query-event", events, content));
  }

  #changed(version: StoredVersion): void {
    if (version.type === "Subscription") {
      if (!this.#ownWrite) this.#adopt(version);
      return;
    }
    for (const carried of this.#carried.values()) {
      if (!carried.counting || !this.#isEvent(carried.definition, version)) continue;
      const event: SubscriptionEvent = { number: ++carried.eventCount, version };
      carried.events.push(event);
      if (carried.events.length > this.#behaviour.keepEvents) carried.events.shift();
      if (carried.status !== "active" || this.#hasEnded(carried)) continue;
      carried.waiting.push(event);
      this.#queue(carried, () => this.#deliverWaiting(carried));
    }
  }

  #isEvent(definition: Definition, version: StoredVersion): boolean {
    const change = version.text === undefined ? "delete" : version.version === 1 ? "create" : "update";
    // A delete is judged by what was deleted.
    const before = this.#context.store.versions(version.type, version.id).at(-2);
    const judged = change === "delete" ? (before ?? version) : version;
    const { topic, filters, criteria } = definition;
    if (topic === undefined) {
      if (this.#behaviour.kind === "medplum" && (definition.interaction ?? change) !== change) return false;
      if (change === "delete" && this.#behaviour.kind === "medplum" && definition.interaction === undefined)
        return false;
      return criteria.some((selection) => meets(selection, judged));
    }
    const listed = topic.resources.some(({ type, on }) => type === version.type && on.includes(change));
    const about = filters.filter(({ type }) => type === undefined || type === version.type);
    return listed && about.every((selection) => meets(selection, judged));
  }

  #adopt(version: StoredVersion): void {
    const known = this.#carried.get(version.id);
    if (version.text === undefined) {
      clearInterval(known?.heartbeat);
      this.#carried.delete(version.id);
      return;
    }
    const resource = JSON.parse(String(version.text.read())) as Record<string, unknown>;
    const definition = readDefinition(resource, this.#behaviour, this.#context.profile);
    const carried = known ?? {
      definition,
      status: definition.status,
      counting: false,
      eventCount: 0,
      events: [],
      work: [],
      waiting: [],
      held: [],
      working: undefined,
      failures: 0,
      heartbeat: undefined,
    };
    carried.definition = definition;
    carried.status = definition.status;
    this.#carried.set(version.id, carried);
    // Medplum leaves what is requested as it is: only active ones are carried out.
    const begins = this.#behaviour.kind === "medplum" ? ["active"] : ["requested", "active"];
    if (begins.includes(definition.status)) {
      carried.status = "requested";
      this.#queue(carried, () => this.#activate(carried));
    }
  }

  async #activate(carried: Carried): Promise<void> {
    carried.failures = 0;
    carried.waiting = [];
    if (carried.definition.topic === undefined) return this.#setStatus(carried, "active");
    const accepted = await this.#attempt(
      topicNotice({ ...this.#facts(carried, "handshake"), type: "handshake" }),
    );
    this.#setStatus(carried, accepted ? "active" : "error");
  }

  #setStatus(carried: Carried, status: "active" | "error" | "off"): void {
    carried.status = status;
    carried.counting ||= status === "active";
    const { id } = carried.definition;
    const text = this.#context.store.current("Subscription", id)?.text;
    if (text === undefined) return;
    const resource = JSON.parse(String(text.read())) as Record<string, unknown>;
    delete resource["error"];
    const error = status === "error" && this.#behaviour.kind !== "r5-topics";
    const next = { ...resource, status, ...(error ? { error: "The endpoint could not be reached." } : {}) };
    this.#ownWrite = true;
    try {
      this.#context.store.put("Subscription", id, JSON.stringify(next));
    } finally {
      this.#ownWrite = false;
    }
    this.#beat(carried);
  }

  #hasEnded(carried: Carried): boolean {
    const { endMs } = carried.definition;
    if (endMs === undefined || this.#context.clock.now() < endMs) return false;
    if (carried.status === "active") this.#setStatus(carried, "off");
    return true;
  }

  #beat(carried: Carried): void {
    clearInterval(carried.heartbeat);
    const { topic, heartbeatSeconds } = carried.definition;
    if (topic === undefined || !heartbeatSeconds || carried.status !== "active") return;
    carried.heartbeat = setInterval(() => {
      if (carried.status !== "active" || this.#hasEnded(carried)) return;
      this.#queue(carried, () =>
        this.#deliver(carried, topicNotice({ ...this.#facts(carried, "heartbeat"), type: "heartbeat" })),
      );
    }, heartbeatSeconds * this.#behaviour.secondMs);
    carried.heartbeat.unref();
  }

  #queue(carried: Carried, work: () => Promise<void>): void {
    carried.work.push(work);
    carried.working ??= this.#workOff(carried);
  }

  async #workOff(carried: Carried): Promise<void> {
    // Never within the write that caused it.
    await Promise.resolve();
    for (let work = carried.work.shift(); work !== undefined; work = carried.work.shift()) {
      if (this.#closed.signal.aborted) break;
      await work();
    }
    carried.working = undefined;
  }

  async #deliverWaiting(carried: Carried): Promise<void> {
    const { definition, status } = carried;
    if (status !== "active") {
      carried.waiting = [];
      return;
    }
    const most = definition.topic === undefined ? 1 : Math.max(1, definition.maxCount);
    const events = carried.waiting.splice(0, most);
    const [first] = events;
    if (first === undefined) return;
    const notice = this.#noticeOf(carried, first, events);
    if (notice !== undefined) await this.#deliver(carried, notice);
  }

  #noticeOf(
    carried: Carried,
    first: SubscriptionEvent,
    events: readonly SubscriptionEvent[],
  ): Notice | undefined {
    const { definition } = carried;
    if (definition.topic !== undefined) {
      const facts = this.#facts(carried, "event-notification", events);
      // The counter as it was with the last of these events.
      const eventCount = events.at(-1)!.number;
      return topicNotice({ ...facts, eventCount, type: "event-notification" });
    }
    return this.#behaviour.kind === "medplum"
      ? medplumNotice(definition, first)
      : hapiNotice(definition, first);
  }

  async #flushHeld(carried: Carried): Promise<void> {
    for (const notice of carried.held.splice(0)) await this.#attempt(notice);
  }

  async #deliver(carried: Carried, notice: Notice): Promise<void> {
    const fate = this.fate(notice, ++this.#number);
    if (fate === "later") {
      this.sent.push({ notice, fate });
      carried.held.push(notice);
      return;
    }
    if (fate === "drop") {
      this.sent.push({ notice, fate });
      return;
    }
    const delivered = await this.#attempt(notice);
    if (delivered && fate === "twice") await this.#attempt(notice);
    this.sent.push({ notice, fate: delivered ? fate : "failed" });
    await this.#flushHeld(carried);
    carried.failures = delivered ? 0 : carried.failures + 1;
    if (carried.failures >= (this.#behaviour.failuresToError ?? Number.POSITIVE_INFINITY))
      this.#setStatus(carried, this.#behaviour.kind === "medplum" ? "off" : "error");
  }

  /** Sends until it is accepted or the tries are used up. */
  async #attempt(notice: Notice): Promise<boolean> {
    const { tries, retryMs, timeoutMs } = this.#behaviour;
    for (let n = 1; n <= tries; n++) {
      if (await this.#once(notice, timeoutMs)) return true;
      if (n < tries && !this.#closed.signal.aborted) await sleep(retryMs);
    }
    return false;
  }

  async #once({ method, url, headers, body }: Notice, timeoutMs: number): Promise<boolean> {
    if (this.isDown) return false;
    try {
      const signal = AbortSignal.any([AbortSignal.timeout(timeoutMs), this.#closed.signal]);
      const response = await fetch(url, {
        method,
        headers,
        redirect: "manual",
        signal,
        ...(method === "DELETE" || body === "" ? {} : { body }),
      });
      await response.arrayBuffer();
      return response.ok;
    } catch {
      return false;
    }
  }
}
