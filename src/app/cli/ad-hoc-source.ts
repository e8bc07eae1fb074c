import { adHocSource, findSource, type LoadedConfig } from "#config";
import { LakeError } from "#kernel";
import type { SourceDefinition } from "../source-run/source.js";
import type { Invocation, OptionsConfig } from "./command.js";
import { textOption } from "./option-value.js";

/** Options that describe a source without a configuration. */
export const SOURCE_OPTIONS = {
  url: { type: "string" },
  types: { type: "string" },
  level: { type: "string" },
  group: { type: "string" },
  order: { type: "string" },
  "token-env": { type: "string" },
} as const satisfies OptionsConfig;

/** Help for {@link SOURCE_OPTIONS}. */
export const SOURCE_HELP = [
  "<source>           a source of the configuration; with --url the name to store its resources under",
  "--url URL          FHIR base address of a source that is not configured",
  "--types A,B        resource types (default: what the server offers of the types that views read)",
  "--level L          of an export: system (default) or patient",
  "--group ID         export the patients of this Group",
  "--order RULE       what makes a version newer: time (default) or version",
  "--token-env NAME   environment variable that holds a bearer token",
];

const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/;

function settings(invocation: Invocation, url: string): SourceDefinition["config"] {
  const { values } = invocation;
  const types = textOption(values, "types");
  const group = textOption(values, "group");
  const token = textOption(values, "token-env");
  const level = textOption(values, "level") ?? "system";
  const order = textOption(values, "order") ?? "time";
  if ((level !== "system" && level !== "patient") || (order !== "time" && order !== "version")) {
    throw new LakeError(
      "invalid-input",
      "cli/bad-source",
      "--level is system or patient, --order is time or version.",
    );
  }
  try {
    return adHocSource({
      url,
      order,
      level: group === undefined ? level : { group },
      ...(types === undefined ? {} : { types: types.split(",").map((type) => type.trim()) }),
      ...(token === undefined ? {} : { auth: { kind: "bearer", token: { env: token } } }),
    });
  } catch (cause) {
    throw new LakeError(
      "invalid-input",
      "cli/bad-source",
      "--url must be an http or https address without credentials in it, --types a list such as Patient,Observation.",
      { cause },
    );
  }
}

/** The source that a command names: a configured one, or one described by `--url` and its companions. Errors: `cli/bad-source`. */
export function namedSource(invocation: Invocation, loaded: LoadedConfig): SourceDefinition {
  const { values, positionals, environment } = invocation;
  const name = positionals[0]!;
  const url = textOption(values, "url");
  if (url === undefined)
    return { name, config: findSource(loaded, name), folder: loaded.folder, environment };
  if (!NAME.test(name)) {
    throw new LakeError(
      "invalid-input",
      "cli/bad-source",
      `A source's name holds letters, digits, _ and - only, at most 63, and begins with a letter or digit; '${name}' does not.`,
    );
  }
  return { name, config: settings(invocation, url), folder: loaded.folder, environment };
}
