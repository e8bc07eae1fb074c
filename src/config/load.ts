import { readFileSync } from "node:fs";
import path from "node:path";
import type { z } from "zod";
import { didYouMean, LakeError } from "#kernel";
import { namesAt } from "./json-schema.js";
import { type Config, configSchema, type SourceConfig } from "./schema.js";

/** The file looked for when none is named. */
export const CONFIG_NAME = "fhir-lake.config.json";

/** A configuration and where it came from. */
export interface LoadedConfig {
  readonly config: Config;
  /** Absolute path of the file; undefined when there was none and everything is default. */
  readonly file: string | undefined;
  /** Relative paths in the configuration are below this folder. */
  readonly folder: string;
}

function place(steps: readonly PropertyKey[]): string {
  return steps.reduce<string>(
    (text, step) =>
      typeof step === "number" ? `${text}[${step}]` : text === "" ? String(step) : `${text}.${String(step)}`,
    "",
  );
}

/** One sentence per problem: where and what, with the nearest name for unknown ones. Values are never repeated: they may be secrets. */
function describe(issue: z.core.$ZodIssue, above: readonly PropertyKey[] = []): string[] {
  const steps = [...above, ...issue.path];
  if (issue.code === "unrecognized_keys") {
    const names = namesAt(steps);
    return issue.keys.map(
      (key) => `${place([...steps, key])}: there is no such setting.${didYouMean(key, names)}`,
    );
  }
  if (issue.code === "invalid_key") return [`${place(steps)}: this name is not allowed here`];
  // A union of objects says nothing by itself; the branch that came furthest does.
  if (issue.code === "invalid_union" && issue.message === "Invalid input") {
    const branch = [...issue.errors].sort((a, b) => depth(b) - depth(a))[0];
    if (branch !== undefined && branch.length > 0) return branch.flatMap((inner) => describe(inner, steps));
  }
  const message = issue.code === "invalid_format" ? "is not written as it should be" : issue.message;
  return [`${place(steps) || "the whole file"}: ${message.charAt(0).toLowerCase()}${message.slice(1)}`];
}

function depth(issues: readonly z.core.$ZodIssue[]): number {
  return Math.max(0, ...issues.map((issue) => issue.path.length));
}

/** Checks a parsed configuration. Errors: `config/invalid`, with every problem and its JSON path. */
export function parseConfig(value: unknown, file: string): Config {
  const parsed = configSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.flatMap((issue) => describe(issue));
  throw new LakeError(
    "invalid-input",
    "config/invalid",
    `The configuration ${file} is not right: ${problems.join("; ")}.`,
    { details: { file, problems } },
  );
}

function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    // The parser's own message quotes the text, which may hold a secret.
    const at = /position (\d+)/.exec(error instanceof Error ? error.message : "")?.[1];
    const line = at === undefined ? "" : ` near line ${text.slice(0, Number(at)).split("\n").length}`;
    throw new LakeError("invalid-input", "config/not-json", `The configuration ${file} is not JSON${line}.`);
  }
}

/**
 * The configuration: of the named file, else of FHIR_LAKE_CONFIG, else of `fhir-lake.config.json` in `folder` when it is there, else the
 * defaults. Errors: `config/not-found` for a file that was named, `config/unreadable`, `config/not-json`, `config/invalid`.
 */
export function loadConfig(options: {
  readonly file?: string | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly folder: string;
}): LoadedConfig {
  const named = options.file ?? options.environment["FHIR_LAKE_CONFIG"];
  const file = path.resolve(options.folder, named ?? CONFIG_NAME);
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === "ENOENT";
    if (missing && named === undefined) {
      return { config: configSchema.parse({}), file: undefined, folder: options.folder };
    }
    throw missing
      ? new LakeError("not-found", "config/not-found", `There is no configuration file ${file}.`, { cause })
      : new LakeError("invalid-input", "config/unreadable", `The configuration ${file} cannot be read.`, {
          cause,
        });
  }
  return { config: parseConfig(parseJson(text, file), file), file, folder: path.dirname(file) };
}

/** The source of that name. Errors: `config/unknown-source`, with the nearest name. */
export function findSource({ config, file }: LoadedConfig, name: string): SourceConfig {
  const source = Object.hasOwn(config.sources, name) ? config.sources[name] : undefined;
  if (source !== undefined) return source;
  const known = Object.keys(config.sources);
  const hint =
    known.length === 0
      ? file === undefined
        ? ` There is no ${CONFIG_NAME} here; write one or name it with --config.`
        : ""
      : didYouMean(name, known) || ` There are: ${known.join(", ")}.`;
  throw new LakeError("not-found", "config/unknown-source", `There is no source named '${name}'.${hint}`);
}
