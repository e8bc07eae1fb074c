import { type Logger as PinoLogger, pino } from "pino";

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
const secretFields = ["authorization", "cookie", "password", "token", "query", "url", "value", "sql", "body"];

/** How the log is written. */
export interface LogOptions {
  readonly level?: "error" | "warn" | "info" | "debug" | "silent";
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
    info: (event, fields = {}) => logger.info(fields, event),
    warn: (event, fields = {}) => logger.warn(fields, event),
    error: (event, fields = {}) => logger.error(fields, event),
  };
}
