import type { ParseArgsConfig } from "node:util";
import type { Output } from "./output.js";

/** Options as `util.parseArgs` takes them. */
export type OptionsConfig = NonNullable<ParseArgsConfig["options"]>;

/** Values of a command's options as `util.parseArgs` gives them. */
export type OptionValues = Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>;

/** What a command is run with. */
export interface Invocation {
  readonly values: OptionValues;
  readonly positionals: readonly string[];
  readonly output: Output;
  readonly environment: NodeJS.ProcessEnv;
}

/** One command of the CLI: its place in the help, its options, and what it does. */
export interface Command {
  /** Words that name it, for example `["ingest", "ndjson"]`. */
  readonly name: readonly string[];
  readonly summary: string;
  /** Arguments and options as shown after the name. */
  readonly usage: string;
  /** One line per option beyond the common ones. */
  readonly help?: readonly string[];
  readonly options: OptionsConfig;
  /** Number of positional arguments allowed, both ends included. */
  readonly positionals: readonly [number, number];
  /** Answers the exit code. */
  run(invocation: Invocation): Promise<number>;
}

/** Options that every command takes. */
export const COMMON_OPTIONS = {
  lake: { type: "string" },
  config: { type: "string" },
  "memory-limit": { type: "string" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const satisfies OptionsConfig;
