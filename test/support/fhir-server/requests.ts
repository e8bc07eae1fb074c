/** What the server saw of one request. */
export interface RecordedRequest {
  readonly number: number;
  /** Where it arrived: the FHIR server or the other origin that only serves files. */
  readonly origin: "fhir" | "files";
  readonly method: string;
  /** Path without query, as sent. */
  readonly path: string;
  readonly query: string;
  /** The scheme of the Authorization header in lower case, or undefined. */
  readonly authorization: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  /** Milliseconds since 1970 by the machine's clock. */
  readonly startedAt: number;
  /** Requests under way when this one came, itself included. */
  readonly parallel: number;
  /** By how many milliseconds it came before the time that an earlier Retry-After for this path named. */
  readonly tooEarlyMs: number | undefined;
  endedAt: number | undefined;
  status: number | undefined;
  /** The Retry-After that was answered. */
  retryAfter: string | undefined;
  /** true once the response left whole; false when the connection was cut. */
  completed: boolean | undefined;
  /** Kinds of faults that were put into the answer. */
  readonly faults: string[];
}

/** Selects recorded requests: every member given must hold. */
export interface RequestSelection {
  readonly origin?: "fhir" | "files";
  readonly method?: string;
  readonly path?: string | RegExp;
  readonly status?: number;
}

/** All requests since the start (or the last {@link RequestLog.clear}), for assertions. */
export class RequestLog {
  readonly all: RecordedRequest[] = [];
  readonly #notBefore = new Map<string, number>();
  #underWay = 0;
  #number = 0;

  /** Notes a request that arrives. */
  start(request: {
    readonly origin: "fhir" | "files";
    readonly method: string;
    readonly path: string;
    readonly query: string;
    readonly headers: Readonly<Record<string, string>>;
  }): RecordedRequest {
    const now = Date.now();
    const notBefore = this.#notBefore.get(request.path);
    this.#underWay++;
    const record: RecordedRequest = {
      ...request,
      number: ++this.#number,
      authorization: request.headers["authorization"]?.split(" ")[0]?.toLowerCase(),
      startedAt: now,
      parallel: this.#underWay,
      tooEarlyMs: notBefore !== undefined && now < notBefore ? notBefore - now : undefined,
      endedAt: undefined,
      status: undefined,
      retryAfter: undefined,
      completed: undefined,
      faults: [],
    };
    this.all.push(record);
    return record;
  }

  /** Notes what a request was answered with, before its body leaves. */
  answered(record: RecordedRequest, status: number, retryAfter: string | null): void {
    record.status = status;
    record.retryAfter = retryAfter ?? undefined;
    const wait = retryAfter === null ? undefined : retryAfterMs(retryAfter);
    if (wait === undefined) this.#notBefore.delete(record.path);
    else this.#notBefore.set(record.path, Date.now() + wait);
  }

  /** Notes that the connection is done with a request. */
  end(record: RecordedRequest, completed: boolean): void {
    if (record.endedAt !== undefined) return;
    record.endedAt = Date.now();
    record.completed = completed;
    this.#underWay--;
  }

  /** The requests that meet a selection, in the order they came. */
  matching(selection: RequestSelection = {}): RecordedRequest[] {
    const { origin, method, path, status } = selection;
    return this.all.filter(
      (request) =>
        (origin === undefined || request.origin === origin) &&
        (method === undefined || request.method === method) &&
        (status === undefined || request.status === status) &&
        (path === undefined || (typeof path === "string" ? request.path === path : path.test(request.path))),
    );
  }

  /** The greatest number of requests under way at once among those selected. */
  mostParallel(selection: RequestSelection = {}): number {
    const edges = this.matching(selection).flatMap((request) => [
      { at: request.startedAt, step: 1 },
      { at: request.endedAt ?? Number.POSITIVE_INFINITY, step: -1 },
    ]);
    edges.sort((a, b) => a.at - b.at || a.step - b.step);
    let now = 0;
    let most = 0;
    for (const { step } of edges) {
      now += step;
      most = Math.max(most, now);
    }
    return most;
  }

  /** Requests that came before the Retry-After of the same path allowed them. */
  tooEarly(toleranceMs = 0): RecordedRequest[] {
    return this.all.filter((request) => (request.tooEarlyMs ?? 0) > toleranceMs);
  }

  /** How often each file of exports was sent whole, by job and name (`<job>/<name>`), on either origin. */
  filesFetched(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const request of this.all) {
      const file = /\/(?:_files|Binary|bucket)\/([^/]+\/[^/]+)$/.exec(request.path)?.[1];
      if (file === undefined || request.status !== 200 || request.completed !== true) continue;
      if (request.faults.some((kind) => kind !== "delay")) continue;
      counts.set(file, (counts.get(file) ?? 0) + 1);
    }
    return counts;
  }

  /** Forgets all records. */
  clear(): void {
    this.all.length = 0;
    this.#notBefore.clear();
  }
}

function retryAfterMs(value: string): number | undefined {
  const wait = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  // Longer than a day is one of the silly values that faults send: nobody is held to it.
  return Number.isNaN(wait) || wait > 86_400_000 ? undefined : Math.max(0, wait);
}
