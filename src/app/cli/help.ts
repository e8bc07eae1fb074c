import type { Command } from "./command.js";

const COMMON_HELP = [
  "--lake PLACE         folder or s3://bucket/prefix (default: FHIR_LAKE_HOME, else the configuration's, else data/lake)",
  "--config FILE        configuration (default: FHIR_LAKE_CONFIG, else fhir-lake.config.json in the current folder)",
  "--memory-limit SIZE  bound for the process, for example 512MB (default 1GiB); a server takes half as much more for reads",
  "--json               machine-readable output",
  "-h, --help           this help",
];

/** The page behind `fhir-lake --help`. */
export function overview(commands: readonly Command[]): string {
  const width = Math.max(...commands.map((command) => command.name.join(" ").length));
  const lines = commands.map((command) => `  ${command.name.join(" ").padEnd(width)}  ${command.summary}`);
  return `fhir-lake: a FHIR data lake with a serving layer\n\nUsage: fhir-lake <command> [options]\n\n${lines.join("\n")}\n\nfhir-lake <command> --help shows a command's options. Exit codes: 0 done, 8 done but part of the input was refused, all others are failures (docs/cli.md).\n`;
}

/** The page behind `fhir-lake <command> --help`. */
export function commandHelp(command: Command): string {
  const own = (command.help ?? []).map((line) => `  ${line}`);
  const common = COMMON_HELP.map((line) => `  ${line}`);
  return `${command.summary}\n\nUsage: fhir-lake ${[...command.name, command.usage].join(" ").trimEnd()}\n\n${[...own, ...common].join("\n")}\n`;
}
