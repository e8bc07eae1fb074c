import { readFile } from "node:fs/promises";
import { checkProfile, compileView, type ViewProfile } from "#compiler";
import { loadDefinitions } from "#fhir";
import { isLakeError, LakeError } from "#kernel";
import type { Command } from "../command.js";
import { EXIT } from "../exit-code.js";
import { textOption } from "../option-value.js";

interface Finding {
  readonly file: string;
  readonly severity: "error" | "warning";
  readonly message: string;
}

async function checkFile(file: string, profile: ViewProfile | undefined): Promise<Finding[]> {
  let view: unknown;
  try {
    view = JSON.parse(await readFile(file, "utf8"));
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === "ENOENT";
    return [
      {
        file,
        severity: "error",
        message: missing ? "the file does not exist" : "the file is not valid JSON",
      },
    ];
  }
  const findings: Finding[] = [];
  try {
    const compiled = compileView(view, { definitions: loadDefinitions("4.0.1") });
    for (const warning of compiled.warnings)
      findings.push({ file, severity: "warning", message: warning.message });
  } catch (error) {
    if (!isLakeError(error)) throw error;
    return [{ file, severity: "error", message: error.message }];
  }
  for (const { severity, path, message } of profile === undefined ? [] : checkProfile(view, profile)) {
    findings.push({ file, severity, message: `${profile}: ${path}: ${message}` });
  }
  return findings;
}

function profileOption(text: string | undefined): ViewProfile | undefined {
  if (text === undefined || text === "shareable" || text === "tabular") return text;
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
  usage: "<view.json>… [--strict] [--profile shareable|tabular]",
  help: [
    "--strict        warnings (an element the type does not have) are failures too",
    "--profile NAME  also check the Shareable or Tabular profile",
  ],
  options: { strict: { type: "boolean" }, profile: { type: "string" } },
  positionals: [1, 10_000],
  run: async ({ positionals, values, output }) => {
    const profile = profileOption(textOption(values, "profile"));
    const findings = (await Promise.all(positionals.map((file) => checkFile(file, profile)))).flat();
    output.document(findings);
    for (const { file, severity, message } of findings) output.line(`${file}: ${severity}: ${message}`);
    const bad = findings.filter(({ severity }) => severity === "error" || values["strict"] === true).length;
    output.line(`${positionals.length} checked, ${bad} problems`);
    return bad === 0 ? EXIT.ok : EXIT.invalidInput;
  },
};
