import { randomUUID } from "node:crypto";
import { type Clock, LakeError } from "#kernel";

/** What a statement does. */
export type QueryState = "preparing" | "running" | "done" | "failed" | "cancelled";

/** A statement that is running, or was a moment ago. */
export interface RegisteredQuery {
  readonly id: string;
  /** Whose it is; see `ServingDependencies.owner`. */
  readonly owner: string;
  readonly startedAt: Date;
  state: QueryState;
  endedAt?: Date;
  /** How many rows there will be: exact where the answer has a limit, else the engine's guess; null where there is none. */
  expectedRows: number | null;
  /** Rows encoded so far. */
  rows(): number;
  /** The code of the error it ended in. */
  code?: string;
  /** Ends it at once. */
  readonly cancel: () => void;
}

/** Ids are UUIDs, which no name of a saved query can look like. */
const ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** True for what can be the id of a statement. */
export function isQueryId(text: string): boolean {
  return ID.test(text);
}

/** How long ended statements are remembered, and how many. */
const KEPT_MS = 300_000;
const MOST_KEPT = 1_000;

/** The statements of one server. */
export class QueryRegistry {
  private readonly clock: Clock;
  private readonly queries = new Map<string, RegisteredQuery>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Enters a statement under an id, its own when none is given. Fails with `serving/query-id-taken`. */
  begin(owner: string, id: string | undefined, cancel: () => void): RegisteredQuery {
    this.forgetOld();
    const chosen = id ?? randomUUID();
    if (this.queries.has(chosen)) {
      throw new LakeError(
        "conflict",
        "serving/query-id-taken",
        "There is a statement with this X-Query-Id already; choose another.",
      );
    }
    const query: RegisteredQuery = {
      id: chosen,
      owner,
      startedAt: this.clock.now(),
      state: "preparing",
      expectedRows: null,
      rows: () => 0,
      cancel: () => {
        if (query.endedAt === undefined) query.state = "cancelled";
        cancel();
      },
    };
    this.queries.set(chosen, query);
    return query;
  }

  /** How many statements have not ended. */
  underWay(): number {
    return [...this.queries.values()].filter(({ endedAt }) => endedAt === undefined).length;
  }

  /** Notes how a statement ended; what ended before stays as it is. */
  end(query: RegisteredQuery, state: "done" | "failed", code?: string): void {
    if (query.endedAt !== undefined) return;
    query.endedAt = this.clock.now();
    const rows = query.rows();
    query.rows = () => rows;
    if (query.state === "cancelled") return;
    query.state = state;
    if (code !== undefined) query.code = code;
  }

  /** Somebody's statement. Fails with `serving/no-such-query`, also when it is another's. */
  find(id: string, owner: string): RegisteredQuery {
    const query = this.queries.get(id);
    if (query?.owner === owner) return query;
    throw new LakeError(
      "not-found",
      "serving/no-such-query",
      "There is no statement of this id here; statements are forgotten five minutes after their end.",
    );
  }

  private forgetOld(): void {
    const now = this.clock.now().getTime();
    let ended = [...this.queries.values()].filter(({ endedAt }) => endedAt !== undefined);
    for (const query of ended) {
      if (now - query.endedAt!.getTime() > KEPT_MS) this.queries.delete(query.id);
    }
    ended = ended.filter(({ id }) => this.queries.has(id));
    for (const query of ended.slice(0, Math.max(0, ended.length - MOST_KEPT))) this.queries.delete(query.id);
  }
}
