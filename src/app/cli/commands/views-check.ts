import { checkProfile, compileView, type ViewProfile } from "#compiler";
import { isLakeError, LakeError } from "#kernel";
import type { Command } from "../command.js";
import { EXIT } from "../exit-code.js";
import { listOption } from "../option-value.js";
import { readViewText } from "../view-file.js";
import { indentedCaret, type ViewProblem, viewProblem } from "../view-problem.js";

interface Finding extends ViewProblem {
  readonly file: string;
}

/** What the compiler says: its warnings, or the error that it stopped at. */
function compilerProblems(text: string): ViewProblem[] {
  try {
    return compileView(text).warnings.map((warning) => viewProblem("warning", warning, warning.path));
  } catch (error) {
    if (!isLakeError(error)) throw error;
    return [viewProblem("error", error)];
  }
}

function profileProblems(text: string, profile: ViewProfile): ViewProblem[] {
  try {
    return checkProfile(text, profile).map(({ severity, path, message }) => ({
      severity,
      code: `profile/${profile}`,
      path,
      message: `${profile}: ${path}: ${message}`,
    }));
  } catch (error) {
    // What keeps the view from being read at all has been said before.
    if (isLakeError(error)) return [];
    throw error;
  }
}

async function checkFile(file: string, profiles: readonly ViewProfile[]): Promise<Finding[]> {
  let text: string;
  try {
    text = await readViewText(file);
  } catch (error) {
    if (!isLakeError(error)) throw error;
    return [{ file, ...viewProblem("error", error) }];
  }
  const problems = [
    ...compilerProblems(text),
    ...profiles.flatMap((profile) => profileProblems(text, profile)),
  ];
  return problems.map((problem) => ({ file, ...problem }));
}

function profileOption(text: string): ViewProfile {
  if (text === "shareable" || text === "tabular") return text;
  throw new LakeError(
    "invalid-input",
    "cli/bad-profile",
    `--profile is 'shareable' or 'tabular', not '${text}'.`,
  );
}

/** `fhir-lake views check` */
export const viewsCheckCommand: Command = {
  name: ["views", "check"],
  summary: "Validate ViewDefinition files and say where they are wrong",
  usage: "<view.json>… [--strict] [--profile shareable|tabular]…",
  help: [
    "--strict        warnings (an element the type does not have) are failures too",
    "--profile NAME  also check the Shareable or Tabular profile; may be repeated",
  ],
  options: { strict: { type: "boolean" }, profile: { type: "string", multiple: true } },
  positionals: [1, 10_000],
  run: async ({ positionals, values, output }) => {
    const profiles = listOption(values, "profile").map(profileOption);
    const findings = (await Promise.all(positionals.map((file) => checkFile(file, profiles)))).flat();
    output.document(findings);
    for (const { file, severity, message, caret } of findings) {
      output.line(`${file}: ${severity}: ${message}`);
      if (caret !== undefined) output.line(indentedCaret(caret));
    }
    const bad = findings.filter(({ severity }) => severity === "error" || values["strict"] === true).length;
    output.line(`${positionals.length} checked, ${bad} problems`);
    return bad === 0 ? EXIT.ok : EXIT.invalidInput;
  },
};
