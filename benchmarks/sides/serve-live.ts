// Ours, serving: all routes and the receiver, as `fhir-lake serve` runs them. Argument: lake folder. Says where as one JSON line; answers each
// line of input with what it has used; ends with the input.
import path from "node:path";
import { createInterface } from "node:readline";
import { loadViews, shippedViewsDirectory } from "#batch";
import { Lake } from "#lake";
import { serveLake } from "../../src/app/serve.js";

const SECRET = "benchmark";
const [location] = process.argv.slice(2);
const lake = await Lake.open({ location: location! });
const views = await loadViews([shippedViewsDirectory()], lake.definitions);
const server = await serveLake(lake, {
  host: "127.0.0.1",
  port: 0,
  live: {
    journal: { file: path.join(location!, "journal", "journal.sqlite") },
    senders: new Map([["main", { source: "main", policy: "time" as const, pathSecrets: [SECRET] }]]),
    views,
  },
});
process.stdout.write(
  `${JSON.stringify({ url: server.url, endpoint: `${server.url}/notify/main/${SECRET}` })}\n`,
);
for await (const _ of createInterface({ input: process.stdin })) {
  const { user, system } = process.cpuUsage();
  process.stdout.write(`${JSON.stringify({ cpu: (user + system) / 1e6, rss: process.memoryUsage.rss() })}\n`);
}
await server.close();
await lake.close();
