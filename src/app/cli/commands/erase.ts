import { readFile } from "node:fs/promises";
import { LakeError } from "#kernel";
import {
  allowReturn,
  type ErasureReport,
  type ErasureRequest,
  type ErasureWish,
  erase,
  type Lake,
  type MentionPolicy,
  parseResourceName,
  prepareErasure,
  recordedErasures,
  resumeErasures,
} from "#lake";
import { erasureHooks } from "../../erasure-hooks.js";
import type { Command, Invocation } from "../command.js";
import { EXIT } from "../exit-code.js";
import { withLake } from "../open-lake.js";
import { listOption, textOption } from "../option-value.js";
import type { Output } from "../output.js";

async function keysFrom(file: string): Promise<string[]> {
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw new LakeError("not-found", "cli/no-key-file", `The file of keys '${file}' cannot be read.`, {
      cause,
    });
  });
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
}

function mentionOption(text: string | undefined): MentionPolicy | undefined {
  if (text === undefined || text === "keep" || text === "erase") return text;
  throw new LakeError("invalid-input", "cli/bad-mentions", `--mentions is 'keep' or 'erase', not '${text}'.`);
}

async function wishOf({ values }: Invocation): Promise<ErasureWish> {
  const file = textOption(values, "keys-from");
  const patients = listOption(values, "patient").map(parseResourceName);
  const listed = [...listOption(values, "resource"), ...(file === undefined ? [] : await keysFrom(file))];
  const resources = listed.map(parseResourceName);
  if (patients.length + resources.length === 0) {
    throw new LakeError(
      "invalid-input",
      "cli/missing-option",
      "Name whom to erase: --patient <source>/Patient/<id>, --resource <source>/<Type>/<id> or --keys-from FILE.",
    );
  }
  if (patients.some(({ type }) => type !== "Patient")) {
    throw new LakeError(
      "invalid-input",
      "cli/bad-patient",
      "--patient takes a Patient: <source>/Patient/<id>; other resources are named with --resource.",
    );
  }
  return {
    patients,
    resources,
    mentions: mentionOption(textOption(values, "mentions")) ?? "keep",
    allowReturn: values["allow-return"] === true,
  };
}

function show(output: Output, report: ErasureReport): void {
  const verb = report.dryRun ? "would go" : "gone";
  output.table(
    ["type", `versions ${verb}`],
    Object.entries(report.resources).map(([type, versions]) => [type, versions]),
  );
  for (const [type, count] of Object.entries(report.mentions)) {
    output.line(`${count} ${type} resources name the person without being the person's own record.`);
  }
  const lists: [string, readonly string[]][] = [
    [`snapshots ${verb}`, report.snapshotsGone.map(String)],
    [`pins on them`, report.pinsGone],
    [`also removed`, report.elsewhere.removed],
    [`quarantine records removed from`, report.elsewhere.rewritten],
    [`left to processes at work (empty when they end)`, report.elsewhere.inUse],
  ];
  for (const [what, items] of lists) if (items.length > 0) output.line(`${what}: ${items.join(", ")}`);
  for (const [name, count] of Object.entries(report.hooks)) if (count > 0) output.line(`${name}: ${count}`);
}

function showDone(output: Output, report: ErasureReport): void {
  show(output, report);
  output.line(
    `Erasure ${report.erasure} is complete${report.snapshot === null ? "" : `, as snapshot ${report.snapshot}`}: ${report.filesRemoved} files removed. Published tables come back with the next fhir-lake publish.`,
  );
  output.note(
    "Backups made before still hold the person: back up again with --keep 1. Exports and other copies outside the lake are not reached.",
  );
}

/** Fails where a decision is missing: nothing found, or resources that only name the person. */
function checkDecided(invocation: Invocation, preview: ErasureReport): void {
  const { values } = invocation;
  if (Object.keys(preview.resources).length === 0 && values["force"] !== true) {
    throw new LakeError(
      "not-found",
      "cli/nothing-to-erase",
      "The lake's tables hold nothing of that key; check source and id (fhir-lake erase --dry-run), or add --force to clean everything else and refuse the key from now on.",
    );
  }
  const mentions = Object.entries(preview.mentions).map(([type, count]) => `${count} ${type}`);
  if (mentions.length > 0 && mentionOption(textOption(values, "mentions")) === undefined) {
    throw new LakeError(
      "conflict",
      "cli/undecided-mentions",
      `Other resources name the person (${mentions.join(", ")}): add --mentions erase to remove them too, or --mentions keep.`,
    );
  }
}

async function listErasures(output: Output, lake: Lake): Promise<void> {
  const active = new Set((await lake.history.latest())?.erasures ?? []);
  const found = (await recordedErasures(lake)).map(({ request, outcome }) => ({
    erasure: request.id,
    requestedAt: request.requestedAt,
    resources: request.keys.length,
    state: outcome === undefined ? "unfinished" : "complete",
    return: active.has(request.id) ? "refused" : "allowed",
  }));
  output.document(found);
  output.table(
    ["erasure", "requested at", "resources", "state", "return"],
    found.map((f) => [f.erasure, f.requestedAt, f.resources, f.state, f.return]),
  );
}

async function eraseNow(invocation: Invocation, lake: Lake, request: ErasureRequest): Promise<number> {
  const { output, values, environment } = invocation;
  const preview = await erase(lake, request, { dryRun: true });
  if (values["dry-run"] === true) {
    output.document(preview);
    show(output, preview);
    output.line("Nothing was changed.");
    return EXIT.ok;
  }
  checkDecided(invocation, preview);
  const { hooks, close } = await erasureHooks(lake, environment, listOption(values, "published-to"));
  try {
    const report = await erase(lake, request, { hooks, onProgress: (what) => output.note(what) });
    output.document(report);
    showDone(output, report);
    return report.elsewhere.inUse.length === 0 ? EXIT.ok : EXIT.incomplete;
  } finally {
    await close();
  }
}

async function resume(invocation: Invocation, lake: Lake): Promise<void> {
  const { output, values, environment } = invocation;
  const { hooks, close } = await erasureHooks(lake, environment, listOption(values, "published-to"));
  try {
    const reports = await resumeErasures(lake, { hooks, onProgress: (what) => output.note(what) });
    output.document(reports);
    for (const report of reports) showDone(output, report);
    if (reports.length === 0) output.line("No erasure is unfinished.");
  } finally {
    await close();
  }
}

async function lift(output: Output, lake: Lake, id: string): Promise<void> {
  const made = await allowReturn(lake, id);
  output.document({ erasure: id, snapshot: made?.id ?? null });
  output.line(
    made === undefined ? "They may come back already." : `From snapshot ${made.id} on they may come back.`,
  );
}

async function run(invocation: Invocation): Promise<number> {
  const { output, values } = invocation;
  return withLake(
    invocation,
    async (lake) => {
      const lifted = textOption(values, "lift");
      if (values["list"] === true) await listErasures(output, lake);
      else if (lifted !== undefined) await lift(output, lake, lifted);
      else if (values["resume"] === true) await resume(invocation, lake);
      else {
        const wish = await wishOf(invocation);
        return eraseNow(invocation, lake, await prepareErasure(lake, wish));
      }
      return EXIT.ok;
    },
    { mustExist: true },
  );
}

/** `fhir-lake erase` */
export const eraseCommand: Command = {
  name: ["erase"],
  summary: "Remove a person from every file of the lake, for good",
  usage:
    "--patient <source>/Patient/<id>… [--dry-run] [--mentions keep|erase] [--allow-return] | --resume | --list | --lift ID",
  help: [
    "--patient KEY         a patient with everything in the patient's compartment; may be repeated",
    "--resource KEY        a single resource <source>/<Type>/<id>; may be repeated",
    "--keys-from FILE      resource keys, one a line",
    "--dry-run             show what would go, change nothing",
    "--mentions CHOICE     resources of others that name the person (a Group, say): erase or keep them",
    "--allow-return        let a later ingestion bring them back; otherwise they are refused",
    "--published-to PLACE  a further place that fhir-lake publish --to wrote to; may be repeated",
    "--force               go on though the tables hold nothing of that key",
    "--resume              complete erasures that were interrupted",
    "--list                show all erasures",
    "--lift ID             from now on let the persons of that erasure come back",
  ],
  options: {
    patient: { type: "string", multiple: true },
    resource: { type: "string", multiple: true },
    "keys-from": { type: "string" },
    "dry-run": { type: "boolean" },
    mentions: { type: "string" },
    "allow-return": { type: "boolean" },
    "published-to": { type: "string", multiple: true },
    force: { type: "boolean" },
    resume: { type: "boolean" },
    list: { type: "boolean" },
    lift: { type: "string" },
  },
  positionals: [0, 0],
  run,
};
