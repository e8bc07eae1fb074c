// A serving process that accepts notifications, for the kill loop: `serve` with a flush policy that makes it fold, commit and trim all the
// time. Prints its address. Runs from dist/, as users do.
import { loadViews } from "#batch";
import { Lake } from "#lake";
import { serveLake, untilStopped } from "../../dist/src/app/serve.js";

const { location, secret, viewFolder, flush } = JSON.parse(process.argv[2]);
const lake = await Lake.open({ location, memoryLimitBytes: 400e6 });
const server = await serveLake(lake, {
  host: "127.0.0.1",
  port: 0,
  live: {
    journal: { file: `${location}/journal/journal.sqlite` },
    senders: new Map([["main", { source: "main", policy: "time", pathSecrets: [secret] }]]),
    views: await loadViews([viewFolder], lake.definitions),
    flush,
  },
});
process.stdout.write(`${JSON.stringify({ url: server.url })}\n`);
await untilStopped();
await server.close();
await lake.close();
