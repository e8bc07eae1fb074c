import { readFile } from "node:fs/promises";
import path from "node:path";
import { parseArgs } from "node:util";
import { didYouMean, isLakeError, LakeError, packageRoot } from "#kernel";
import { COMMON_OPTIONS, type Command } from "./command.js";
import { commandsOf } from "./commands/index.js";
import { debugText } from "./debug-text.js";
import { EXIT, exitCodeOf } from "./exit-code.js";
import { commandHelp, overview } from "./help.js";
import { Output } from "./output.js";
import { indentedCaret } from "./view-problem.js";

function find(
  commands: readonly Command[],
  args: readonly string[],
): { command: Command; rest: string[] } | undefined {
  const matching = commands
    .filter((command) => command.name.every((word, i) => args[i] === word))
    .sort((a, b) => b.name.length - a.name.length);
  const command = matching[0];
  return command === undefined ? undefined : { command, rest: args.slice(command.name.length) };
}

/** The commands of several words that begin with the first one typed. */
function within(commands: readonly Command[], word: string | undefined): readonly Command[] {
  return commands.filter((command) => command.name.length > 1 && command.name[0] === word);
}

function unknownCommand(commands: readonly Command[], args: readonly string[]): LakeError {
  const words = args.filter((arg) => !arg.startsWith("-"));
  const group = within(commands, words[0]);
  if (group.length > 0) {
    const names = group.map((command) => command.name.join(" ")).join(", ");
    return new LakeError(
      "invalid-input",
      "cli/unknown-command",
      `'${words.slice(0, 2).join(" ")}' is no command; there are: ${names}.`,
    );
  }
  const names = commands.map((command) => command.name.join(" "));
  const typed = words.slice(0, 2).join(" ");
  const hint =
    didYouMean(typed, names) ||
    didYouMean(
      words[0] ?? "",
      names.map((name) => name.split(" ")[0]!),
    );
  return new LakeError(
    "invalid-input",
    "cli/unknown-command",
    `'${words[0] ?? ""}' is no command.${hint} Run fhir-lake --help for all.`,
  );
}

function parse(
  command: Command,
  args: string[],
): Pick<ReturnType<typeof parseArgs>, "values" | "positionals"> {
  const options = { ...COMMON_OPTIONS, ...command.options };
  try {
    return parseArgs({ args, options, allowPositionals: true, strict: true });
  } catch (cause) {
    const message = cause instanceof Error ? cause.message.split(". ")[0]! : String(cause);
    const typed = /'--([^'= ]+)/.exec(message)?.[1];
    const hint = typed === undefined ? "" : didYouMean(typed, Object.keys(options)).replace("'", "'--");
    throw new LakeError("invalid-input", "cli/bad-option", `${message}.${hint}`, { cause });
  }
}

const HELP: ReadonlySet<string | undefined> = new Set(["--help", "-h", "help"]);

async function version(): Promise<string> {
  const text = await readFile(path.join(packageRoot(), "package.json"), "utf8");
  return (JSON.parse(text) as { readonly version: string }).version;
}

async function execute(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<number> {
  if (args[0] === "--version") {
    process.stdout.write(`${await version()}\n`);
    return EXIT.ok;
  }
  const commands = await commandsOf(args[0]);
  const found = find(commands, args);
  if (found === undefined) {
    const group = within(commands, args[0]);
    const isAsked = HELP.has(args[0]) || (group.length > 0 && HELP.has(args[1]));
    if (args.length > 0 && !isAsked) throw unknownCommand(commands, args);
    process.stdout.write(overview(group.length > 0 ? group : commands));
    return args.length === 0 ? EXIT.invalidInput : EXIT.ok;
  }
  const { command, rest } = found;
  const { values, positionals } = parse(command, rest);
  if (values["help"] === true) {
    process.stdout.write(commandHelp(command));
    return EXIT.ok;
  }
  const [least, most] = command.positionals;
  if (positionals.length < least || positionals.length > most) {
    throw new LakeError(
      "invalid-input",
      "cli/bad-arguments",
      `Usage: fhir-lake ${command.name.join(" ")} ${command.usage}`,
    );
  }
  return command.run({ values, positionals, output: new Output(values["json"] === true), environment });
}

/**
 * Runs one command line and answers its exit code. Failures are one sentence on stderr (one JSON document with `--json`); the stack
 * of an unexpected one is shown with FHIR_LAKE_DEBUG=1.
 */
export async function run(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<number> {
  try {
    return await execute(args, environment);
  } catch (error) {
    const known = isLakeError(error)
      ? error
      : new LakeError(
          "internal",
          "cli/unexpected",
          "Something unexpected went wrong; run again with FHIR_LAKE_DEBUG=1 to see where.",
          { cause: error },
        );
    if (args.includes("--json")) {
      process.stderr.write(
        `${JSON.stringify({ error: { code: known.code, kind: known.kind, message: known.message } })}\n`,
      );
    } else {
      process.stderr.write(`fhir-lake: ${known.message}\n`);
      const caret = known.details["caret"];
      if (typeof caret === "string") process.stderr.write(`${indentedCaret(caret)}\n`);
    }
    if (environment["FHIR_LAKE_DEBUG"] === "1") process.stderr.write(`${debugText(error)}\n`);
    return exitCodeOf(known.kind);
  }
}
