import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { LakeError } from "#kernel";

/** What is sent to Redis. */
export type RedisArgument = string | Buffer | number;

/** Longest wait for an answer; afterwards nobody knows whether the command was done. */
const ANSWER_MS = 1000;
const CONNECT_MS = 1000;
const RECONNECT_MS = 500;

/** Redis did not answer, or not as it should. */
export function redisUnavailable(cause?: unknown): LakeError {
  return new LakeError(
    "unavailable",
    "speed/redis-unavailable",
    "Redis does not answer as it should; changes are read from the journal until it does.",
    { cause, retryable: true },
  );
}

/** Refuses what is no Redis address before anything connects. Errors: `speed/bad-redis-url`. */
export function checkRedisUrl(url: string): string {
  if (/^rediss?:\/\//.test(url) && URL.canParse(url)) return url;
  throw new LakeError(
    "invalid-input",
    "speed/bad-redis-url",
    "REDIS_URL must be a Redis address such as redis://host:6379/0, or rediss:// for TLS.",
  );
}

function connect(url: string): Redis {
  const client = new Redis(checkRedisUrl(url), {
    connectTimeout: CONNECT_MS,
    // What cannot be sent now fails now: there is another way to every answer.
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    retryStrategy: (times) => Math.min(RECONNECT_MS, 50 * times),
    protocol: 2,
    disableClientInfo: true,
  });
  // Failures are seen where commands fail; without a listener they would be printed.
  client.on("error", () => undefined);
  return client;
}

function sha1(script: string): string {
  return createHash("sha1").update(script).digest("hex");
}

/** Two connections to one Redis: one for commands that answer at once, one that waits for changes. */
export class RedisLink {
  /** Host and database without credentials. */
  readonly location: string;
  private readonly direct: Redis;
  private readonly waiting: Redis;
  private readonly hashes = new Map<string, string>();

  /** Connects in the background. Errors: `speed/bad-redis-url`. */
  constructor(url: string) {
    const { hostname, port, pathname } = new URL(checkRedisUrl(url));
    this.location = `redis://${hostname}${port === "" ? "" : `:${port}`}${pathname}`;
    this.direct = connect(url);
    this.waiting = connect(url);
  }

  /** Waits until a connection stands, or does not in time; both are fine. */
  async settled(): Promise<void> {
    const ready = (client: Redis): Promise<unknown> =>
      client.status === "ready"
        ? Promise.resolve()
        : new Promise((resolve) => {
            client.once("ready", resolve);
          });
    const late = new AbortController();
    await Promise.race([
      Promise.all([ready(this.direct), ready(this.waiting)]),
      sleep(CONNECT_MS, undefined, { signal: late.signal }).catch(() => undefined),
    ]);
    late.abort();
  }

  /** Runs a script. Errors: `speed/redis-unavailable`. */
  async run(script: string, keys: readonly string[], args: readonly RedisArgument[]): Promise<unknown> {
    const hash = this.hashes.get(script) ?? sha1(script);
    this.hashes.set(script, hash);
    const rest: RedisArgument[] = [keys.length, ...keys, ...args];
    try {
      return await this.answer(this.direct, "EVALSHA", [hash, ...rest]);
    } catch (error) {
      if (!String((error as Error).message).startsWith("NOSCRIPT")) throw redisUnavailable(error);
    }
    try {
      return await this.answer(this.direct, "EVAL", [script, ...rest]);
    } catch (error) {
      throw redisUnavailable(error);
    }
  }

  /** Runs a command that may wait for `waitMs` before it answers. Errors: `speed/redis-unavailable`. */
  async wait(command: string, args: readonly RedisArgument[], waitMs: number): Promise<unknown> {
    try {
      return await this.answer(this.waiting, command, args, waitMs);
    } catch (error) {
      // What waits unanswered would delay the next command: a new connection does not know it.
      this.waiting.disconnect(true);
      throw redisUnavailable(error);
    }
  }

  private async answer(
    client: Redis,
    command: string,
    args: readonly RedisArgument[],
    waitMs = 0,
  ): Promise<unknown> {
    const late = new AbortController();
    const timeout = sleep(ANSWER_MS + waitMs, undefined, { signal: late.signal }).then(() => {
      throw new Error("no answer in time");
    });
    const reply = client.callBuffer(command, [...args]);
    try {
      return await Promise.race([reply, timeout]);
    } finally {
      late.abort();
      timeout.catch(() => undefined);
      reply.catch(() => undefined);
    }
  }

  close(): void {
    this.direct.disconnect();
    this.waiting.disconnect();
  }
}
