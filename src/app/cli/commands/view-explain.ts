import { access } from "node:fs/promises";
import { compileView } from "#compiler";
import { loadDefinitions } from "#fhir";
import { didYouMean, LakeError } from "#kernel";
import type { Command, Invocation } from "../command.js";
import { EXIT } from "../exit-code.js";
import { readViewText } from "../view-file.js";
import { wantedViews } from "../views-option.js";

/** The text of a view given by file or by the name of a known view. */
async function viewText(given: string, values: Invocation["values"]): Promise<string> {
  const isFile = await access(given).then(
    () => true,
    () => false,
  );
  if (isFile || given.endsWith(".json")) return readViewText(given);
  const views = await wantedViews(values, loadDefinitions("4.0.1"));
  const view = views.get(given);
  if (view !== undefined) return view.text;
  throw new LakeError(
    "not-found",
    "cli/no-such-view",
    `'${given}' is neither a file nor a view.${didYouMean(given, views.keys())}`,
  );
}

async function run({ positionals, values, output }: Invocation): Promise<number> {
  const text = await viewText(positionals[0]!, values);
  const compiled = compileView(text, { strict: values["strict"] === true });
  const { plan, sql } = compiled.explainParts();
  for (const warning of compiled.warnings) output.note(`warning: ${warning.message}`);
  output.document({
    name: compiled.name,
    resource: compiled.resource,
    fhirVersion: compiled.fhirVersion,
    hash: compiled.hash,
    columns: compiled.columns,
    warnings: compiled.warnings,
    plan,
    sql,
  });
  output.line(plan);
  output.line();
  output.line(sql);
  return EXIT.ok;
}

/** `fhir-lake view explain` */
export const viewExplainCommand: Command = {
  name: ["view", "explain"],
  summary: "Show a view's plan and the SQL it becomes",
  usage: "<view.json or name> [--views DIR]… [--strict]",
  help: [
    "--views DIR  a folder of ViewDefinitions to find names in, beside the shipped ones",
    "--strict     an element that the type does not have is an error, not an empty column",
    "The SQL is for a source that has every column the view reads.",
  ],
  options: { views: { type: "string", multiple: true }, strict: { type: "boolean" } },
  positionals: [1, 1],
  run,
};
