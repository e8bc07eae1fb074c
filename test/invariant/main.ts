// Runs random histories of the system against the recompute: node dist/test/invariant/main.js --runs N --seed S
import { parseArgs } from "node:util";
import fc from "fast-check";
import { type Command, histories } from "./commands.js";
import { runHistory } from "./history.js";
import { Host } from "./host.js";

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "1000" },
    seed: { type: "string", default: "20261121" },
    length: { type: "string", default: "12" },
  },
});
const runs = Number(values.runs);
const seed = Number(values.seed);
const longest = Number(values.length);
if (![runs, seed, longest].every(Number.isSafeInteger) || runs < 1 || longest < 1) {
  throw new Error("--runs, --seed and --length are whole numbers, runs and length at least 1");
}

/** Every so manieth history runs on a world with everything of its own: a disk, threads, HTTP. */
const PLAIN_EVERY = 50;
const SAMPLE = 500;

/** Runs one history; tells how it broke the rule, with what it takes to repeat it. */
async function violates(commands: readonly Command[], number: number): Promise<boolean> {
  try {
    await runHistory(host, commands, number % PLAIN_EVERY === 0 ? "plain" : "quick");
    return false;
  } catch (error) {
    console.log(`history ${number} of seed ${seed}: ${error instanceof Error ? error.stack : String(error)}`);
    console.log(JSON.stringify(commands));
    return true;
  }
}

function tell(done: number): void {
  const { user, system } = process.cpuUsage();
  const seconds = Math.round((Date.now() - startedAt) / 1000);
  const work = Math.round((user + system) / 1e6);
  console.log(`${done} histories, ${violations} violations, ${seconds} s, of which ${work} s on a processor`);
}

const host = await Host.open();
let violations = 0;
let done = 0;
const startedAt = Date.now();
for (let part = 0; done < runs; part++) {
  const numRuns = Math.min(SAMPLE, runs - done);
  for (const commands of fc.sample(histories(longest), { seed: seed + part, numRuns })) {
    if (await violates(commands, ++done)) violations++;
    if (done % 100 === 0) tell(done);
  }
  await host.renewEngines();
}
await host.close();
console.log(`runs=${runs} violations=${violations}`);
process.exitCode = violations === 0 ? 0 : 1;
