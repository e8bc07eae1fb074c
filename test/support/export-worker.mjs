// An exporter process for the kill loop: exports what it is told, prints the batch, and on request ends the job. Kills itself at the
// k-th time that it reaches a named point. Waits twenty times faster than the clock, so that a loop of kills does not take hours.
// Runs from dist/, as users do.
import { createFhirHttp, exportBulk, finishExport, systemWaitingClock } from "#ingestion";

const { url, workDir, request, crashAt, finish } = JSON.parse(process.argv[2]);
const [label, k] = (crashAt ?? "#0").split("#");
let left = Number(k);
const checkpoint = (reached) => {
  if (reached === label && --left === 0) process.kill(process.pid, "SIGKILL");
};
const clock = {
  now: () => systemWaitingClock.now(),
  sleep: (ms, signal) => systemWaitingClock.sleep(ms / 20, signal),
};
const http = createFhirHttp({ baseUrl: url, auth: { kind: "none" }, clock });
const place = { http, workDir, checkpoint };
if (finish) await finishExport(place);
else process.stdout.write(`${JSON.stringify(await exportBulk({ ...place, ...request }))}\n`);
await http.close();
