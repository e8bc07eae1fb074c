import path from "node:path";
import { median, runSide } from "../measure.js";
import { population } from "../population.js";
import type { Scenario } from "../scenario.js";

/** Eight hours at 1,000 changes a second. */
const WHOLE = 28_800_000;
/** Covered changes stay an hour in production, an eighth of the whole. */
const KEPT_SHARE = 1 / 8;
/** About what one machine takes, to turn that share into time. */
const PER_SECOND = 3_000;

type Sample = Readonly<Record<"sent" | "rss" | "disk" | "removed" | "read" | "append", number>>;

/** What grew from the middle third of the samples to the last one, as a ratio; the first third warms up. */
function growth(samples: readonly Sample[], of: (sample: Sample) => number): number {
  const third = Math.floor(samples.length / 3);
  const middle = median(samples.slice(third, 2 * third).map(of));
  return median(samples.slice(-third).map(of)) / middle;
}

/** Whether memory, disk and reads stay what they are. */
export const liveSoakScenario: Scenario = {
  name: "live-soak",
  about:
    "8 hours at 1,000/s, scaled: flushes as in production, trims and vacuum in proportion to the changes (--changes, all with 28800000; --minutes ends it earlier)",
  options: ["changes", "minutes"],
  run: async ({ quick, scratch, options }) => {
    const changes = Number(options["changes"] ?? (quick ? 60_000 : 2_000_000));
    if (!Number.isInteger(changes) || changes < 20)
      throw new Error(`--changes takes a whole number from 20 on, not '${options["changes"]}'.`);
    const minutes = Number(options["minutes"] ?? Number.POSITIVE_INFINITY);
    if (!(minutes > 0)) throw new Error(`--minutes takes a number above 0, not '${options["minutes"]}'.`);
    const files = await population(scratch, quick ? 50 : 1000);
    const lake = path.join(scratch, "lake");
    await runSide("full-ingest", [lake, "0", ...files]);
    const keepMs = Math.round(((changes * KEPT_SHARE) / PER_SECOND) * 1000);
    const keys = quick ? 10_000 : 200_000;
    const samples = quick ? 3 : 12;
    const args = [lake, changes, keys, samples, keepMs, minutes].map(String);
    const cost = await runSide("live-soak", [...args, ...files]);
    const taken = cost.facts["samples"] as Sample[];
    const last = taken.at(-1)!;
    return [
      { name: "changes", value: last.sent, unit: "" },
      { name: "share of eight hours at 1,000/s", value: last.sent / WHOLE, unit: "" },
      { name: "per second of CPU, everything", value: last.sent / cost.cpu, unit: "/s" },
      { name: "memory at the end", value: last.rss / 1e6, unit: "MB" },
      {
        name: "memory, last third over middle third",
        value: growth(taken, (s) => s.rss),
        unit: "",
        bar: "<= 1.1",
      },
      { name: "disk at the end", value: last.disk / 1e6, unit: "MB" },
      {
        name: "disk, last third over middle third",
        value: growth(taken, (s) => s.disk),
        unit: "",
        bar: "<= 1.1",
      },
      {
        name: "longest append of 5,000 changes",
        value: Math.max(...taken.map((sample) => sample.append)),
        unit: "ms",
      },
      { name: "removed files still open at the end", value: last.removed, unit: "" },
      { name: "a page of 100 rows at the end, CPU", value: last.read, unit: "ms" },
      {
        name: "reads, last third over middle third",
        value: growth(taken, (s) => s.read),
        unit: "",
        bar: "<= 1.1",
      },
    ];
  },
};
