import { type Logger as PinoLogger, pino } from "pino";
import { didYouMean, LakeError } from "#kernel";

/** Facts about one event. Never values of a query, never rows, never names of people: logs are read by more eyes than data. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** Where the server reports what it does. `event` is a fixed phrase; everything variable stands in the fields. */
export interface Logger {
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}

/** A logger that says nothing. */
export const silentLogger: Logger = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** Field names whose values never reach the log, should a future caller pass them by mistake. */
const secretFields = [
  "apiKey",
  "authorization",
  "body",
  "cookie",
  "cursor",
  "headers",
  "key",
  "params",
  "password",
  "patient",
  "query",
  "secret",
  "sql",
  "stack",
  "token",
  "url",
  "value",
];

/** No fact about an event is longer; what is would be data. */
const LONGEST = 200;

function shortened(fields: LogFields): LogFields {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      typeof value === "string" && value.length > LONGEST ? `${value.slice(0, LONGEST)}…` : value,
    ]),
  );
}

const levels = ["error", "warn", "info", "silent"] as const;

/** How much is told: `info` has a line for every request. */
export type LogLevel = (typeof levels)[number];

/** The level that a word names (`debug` is `info`); `warn` without one. Fails with `serving/bad-log-level`. */
export function logLevel(text: string | undefined): LogLevel {
  if (text === undefined || text === "") return "warn";
  const level = text === "debug" ? "info" : levels.find((known) => known === text.toLowerCase());
  if (level !== undefined) return level;
  throw new LakeError(
    "invalid-input",
    "serving/bad-log-level",
    `The log level is one of ${levels.join(", ")}.${didYouMean(text, levels)}`,
  );
}

/** How the log is written. */
export interface LogOptions {
  readonly level?: LogLevel;
  /** Where lines go; standard error when absent, so that standard output stays for answers. */
  readonly destination?: { write(line: string): void };
}

/** A logger that writes JSON lines with pino and blanks fields that could hold secrets or PHI. */
export function createLogger(options: LogOptions = {}): Logger {
  const logger: PinoLogger = pino(
    {
      level: options.level ?? "info",
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: { paths: [...secretFields, ...secretFields.map((name) => `*.${name}`)], censor: "[redacted]" },
    },
    options.destination ?? pino.destination({ dest: 2, sync: true }),
  );
  return {
    info: (event, fields = {}) => logger.info(shortened(fields), event),
    warn: (event, fields = {}) => logger.warn(shortened(fields), event),
    error: (event, fields = {}) => logger.error(shortened(fields), event),
  };
}
