import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { scenarios } from "../registry.js";
import type { Scenario } from "../scenario.js";
import { missedSection } from "./aims.js";
import { circumstances } from "./circumstances.js";
import { readmeTable } from "./direct-readme.js";
import { peersReadmeTable } from "./peers-section.js";
import { type Result, readResults } from "./results.js";
import { scalingFigures } from "./scaling.js";
import { sectionOf } from "./sections.js";

const BEGIN = "<!-- benchmarks: made by npm run bench -- --report -->";
const END = "<!-- benchmarks: end -->";

const INTRODUCTION = `# Benchmarks

Made by \`npm run bench -- --report\` from \`benchmarks/results/\`; do not edit. To measure:

\`\`\`sh
npm run bench -- --list                 # what there is
npm run bench -- direct-fhir            # one of them; writes its results and this page
npm run bench -- direct-fhir --patients=10000 --density=0.1 --since=2023-01-01 --keep=bench-data   # more people, records of two years; population and database stay for the next run
npm run bench -- --keep=bench-data --peers=bench-peers --once=10000000   # all of them in one run, peers beside (benchmarks/views/README.md), ten million resources once
npm run bench -- --quick                # all of them small, in minutes: shows that they work, figures mean nothing, nothing is written
npx fhir-lake bench --fhir https://fhir.example.org/r4 --lake http://127.0.0.1:8080   # the questions of direct-fhir, of your own servers
\`\`\`

What a figure is stands beside it or below its table. A median of repeats has a rank interval where there are six or more of them: the k-th
least to the k-th greatest repeat, k as large as still holds the true median with a chance of 95 %, whatever the distribution. Fewer repeats
show least and greatest, which is less. A percentile is one of the requests of one run, with the fastest and the slowest beside it. A figure
that is called single, or has nothing beside it, is one value: measured or counted once, or kept without its repeats. How far another run
would be from it is not known.

Repeated sides of a comparison take turns, mostly in changing order; what was measured once was measured one side after the other. Rows or
answers of both sides are compared before a time counts in \`direct-fhir\`, \`views\`, \`peers\` and \`materialize\`; \`ingest\` compares their number. Time is
time on the clock, CPU is processor time of all threads. Where the time goes,
and what was done about it: [performance.md](performance.md).`;

/** All files of the report by path below the root: `docs/benchmarks.md`, its plots, and the pages that have figures between marks. */
export function reportFiles(root: string): ReadonlyMap<string, string> {
  const results = readResults(path.join(root, "benchmarks", "results"));
  const files = new Map<string, string>();
  const blocks = [INTRODUCTION, ...missedSection(results)];
  const add = (scenario: Scenario, name: string, result: Result): void => {
    const section = sectionOf(scenario, result, name);
    const notes = (result.notes ?? []).map((note) => `- ${note}`).join("\n");
    blocks.push(circumstances(result), ...section.blocks, notes);
    if (section.svg !== undefined) files.set(`docs/benchmarks/${name}.svg`, section.svg);
  };
  for (const scenario of scenarios) {
    const result = results.get(scenario.name);
    blocks.push(`## ${scenario.name}`, `${scenario.about[0]!.toUpperCase()}${scenario.about.slice(1)}.`);
    if (result === undefined) {
      blocks.push(`Not measured yet: \`npm run bench -- ${scenario.name}\`.`);
      continue;
    }
    add(scenario, scenario.name, result);
    for (const [name, variant] of results) {
      if (!name.startsWith(`${scenario.name}-`) || scenario.variant === undefined) continue;
      blocks.push(`### ${name}`);
      add(scenario, name, variant);
    }
  }
  files.set("docs/benchmarks.md", `${blocks.filter((block) => block !== "").join("\n\n")}\n`);
  const direct = results.get("direct-fhir");
  const peers = results.get("peers");
  const tables = [
    direct === undefined ? "Not measured yet: `npm run bench -- direct-fhir`." : readmeTable(direct),
    ...(peers === undefined ? [] : [peersReadmeTable(peers)]),
  ];
  for (const [name, content] of [
    ["README.md", tables.join("\n\n")],
    ["docs/scaling.md", scalingFigures(results.get("scale"), direct)],
  ] as const) {
    files.set(name, between(name, readFileSync(path.join(root, name), "utf8"), content));
  }
  return files;
}

/** A page with what stands between its two marks replaced. */
function between(name: string, page: string, content: string): string {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`${name} lacks '${BEGIN}' … '${END}'.`);
  return `${page.slice(0, begin + BEGIN.length)}\n\n${content}\n\n${page.slice(end)}`;
}

/** Writes the report and answers its files. */
export function writeReport(root: string): string[] {
  const files = reportFiles(root);
  for (const [name, content] of files) {
    mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
    writeFileSync(path.join(root, name), content);
  }
  return [...files.keys()];
}
