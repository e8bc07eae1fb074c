// Evaluates a view over NDJSON by helios-sof: helios.mjs VIEW INPUT OUTPUT RUNS, with FHIR_LAKE_PEER_HOME naming the folder that it was installed to.
// A line of JSON per event. It is a program for one evaluation, so that every one of them starts it anew.
import { execFileSync, spawnSync } from "node:child_process";
import path from "node:path";

const [view, source, output, runs] = process.argv.slice(2);
const program = path.join(process.env.FHIR_LAKE_PEER_HOME, "bin", "sof-cli");
const version = execFileSync(program, ["--version"], { encoding: "utf8" }).trim().split(" ").at(-1);
console.log(JSON.stringify({ event: "ready", version: `helios-sof ${version}` }));
for (let run = 0; run < Number(runs); run++) {
  const started = performance.now();
  const ended = spawnSync(
    program,
    ["--view", view, "--bundle", source, "--format", "ndjson", "--output", output],
    {
      stdio: ["ignore", "ignore", "inherit"],
    },
  );
  // Its own words are the last ones on stderr.
  if (ended.status !== 0) process.exit(1);
  console.log(JSON.stringify({ event: "run", wall: (performance.now() - started) / 1000 }));
}
