// A process that fetches by search what it is told and prints the batch, for the kill loop. Kills itself at the k-th time that it reaches a
// named point. Runs from dist/, as users do.
import { createFhirHttp, fetchBySearch } from "#ingestion";

const { url, workDir, request, crashAt } = JSON.parse(process.argv[2]);
const [label, k] = (crashAt ?? "#0").split("#");
let left = Number(k);
const checkpoint = (reached) => {
  if (reached === label && --left === 0) process.kill(process.pid, "SIGKILL");
};
const http = createFhirHttp({ baseUrl: url, auth: { kind: "none" } });
process.stdout.write(`${JSON.stringify(await fetchBySearch({ http, workDir, checkpoint, ...request }))}\n`);
await http.close();
