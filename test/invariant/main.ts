// Runs random histories of the system against the recompute: node dist/test/invariant/main.js --runs N --seed S
import { parseArgs } from "node:util";
import fc from "fast-check";
import { type Command, histories } from "./commands.js";
import { runHistory } from "./history.js";
import { openReadEngine } from "./world.js";

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

/** Runs one history; tells how it broke the rule, with what it takes to repeat it. */
async function violation(commands: readonly Command[], number: number): Promise<boolean> {
  try {
    await runHistory(database, commands);
    return false;
  } catch (error) {
    console.log(
      `history ${number} of seed ${seed}: ${error instanceof Error ? error.message : String(error)}`,
    );
    console.log(JSON.stringify(commands));
    return true;
  }
}

let database = await openReadEngine();
let violations = 0;
let done = 0;
const startedAt = Date.now();
const SAMPLE = 500;
for (let part = 0; done < runs; part++) {
  const numRuns = Math.min(SAMPLE, runs - done);
  for (const commands of fc.sample(histories(longest), { seed: seed + part, numRuns })) {
    if (await violation(commands, ++done)) violations++;
    if (done % 100 === 0) {
      console.log(
        `${done} histories, ${violations} violations, ${Math.round((Date.now() - startedAt) / 1000)} s`,
      );
    }
  }
  // An engine that served thousands of worlds keeps what it allocated for them.
  database.close();
  database = await openReadEngine();
}
database.close();
console.log(`runs=${runs} violations=${violations}`);
process.exitCode = violations === 0 ? 0 : 1;
