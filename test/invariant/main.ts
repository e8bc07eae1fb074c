// Runs random histories of the system against the recompute: node dist/test/invariant/main.js --runs N --seed S
// With UV_THREADPOOL_SIZE=1, as `npm run invariant` sets it, a sixth less work: small statements of one history after the other need no second thread.
import { parseArgs } from "node:util";
import fc from "fast-check";
import { redisAvailable } from "../support/redis-server.js";
import { histories, type Step } from "./commands.js";
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
/** Every so manieth has Redis, to which things happen. Those wait a lot, so they run beside the others. */
const REDIS_EVERY = 20;
const SAMPLE = 500;
const startedAt = Date.now();
const withRedis = redisAvailable() ? Math.floor(runs / REDIS_EVERY) : 0;
let done = 0;
let violations = 0;

function tell(): void {
  const { user, system } = process.cpuUsage();
  const seconds = Math.round((Date.now() - startedAt) / 1000);
  const work = Math.round((user + system) / 1e6);
  console.log(`${done} histories, ${violations} violations, ${seconds} s, of which ${work} s on a processor`);
}

/** Runs one history; says how it broke the rule, with what it takes to repeat it. */
async function run(host: Host, steps: readonly Step[], number: number): Promise<void> {
  try {
    await runHistory(host, steps, number % PLAIN_EVERY === 0 ? "plain" : "quick");
  } catch (error) {
    violations++;
    const store = host.redis === undefined ? "" : " with Redis";
    console.log(
      `history ${number}${store} of seed ${seed}: ${error instanceof Error ? error.stack : String(error)}`,
    );
    console.log(JSON.stringify(steps));
  }
  if (++done % 100 === 0) tell();
}

async function lane(count: number, redis: boolean): Promise<void> {
  const host = await Host.open({ redis });
  for (let at = 0; at < count; at += SAMPLE) {
    const numRuns = Math.min(SAMPLE, count - at);
    // Far from the samples of neighbouring seeds, which would run the same histories again.
    const sampleSeed = (Math.imul(seed, 65_537) + at / SAMPLE) | 0;
    const sample = fc.sample(histories(longest, { redis }), { seed: sampleSeed, numRuns });
    for (const [i, steps] of sample.entries()) await run(host, steps, at + i + 1);
    await host.renewEngines();
  }
  await host.close();
}

await Promise.all([lane(runs - withRedis, false), ...(withRedis > 0 ? [lane(withRedis, true)] : [])]);
tell();
console.log(`runs=${runs} violations=${violations}`);
process.exitCode = violations === 0 ? 0 : 1;
