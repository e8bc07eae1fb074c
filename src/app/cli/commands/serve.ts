import type { Lake } from "#lake";
import { configuredAccess, type ServerAccess } from "../../access/configured-access.js";
import { type Opened, withOpened } from "../../opened.js";
import { serveLake, untilStopped } from "../../serve.js";
import { startTracing } from "../../tracing.js";
import type { Command, Invocation } from "../command.js";
import { loadedConfig, stalenessTargets } from "../config-option.js";
import { EXIT } from "../exit-code.js";
import { liveSide } from "../live-option.js";
import { withLake } from "../open-lake.js";
import { memoryLimit, parseCount, parseOrigin, parseSize, textOption } from "../option-value.js";
import { checkedQueries } from "../queries-option.js";
import { withSchedules } from "../schedule-beside.js";
import { selfCheckSide } from "../self-check-option.js";

const LOOPBACK = new Set(["127.0.0.1", "::1", "localhost"]);

/** Options of every command that serves. */
export const ADDRESS_OPTIONS = {
  port: { type: "string" },
  host: { type: "string" },
  "allow-unauthenticated": { type: "boolean" },
  "small-cell": { type: "string" },
  "max-rows": { type: "string" },
  "hot-copies": { type: "string" },
  "public-url": { type: "string" },
  queries: { type: "string", multiple: true },
} as const;

/** Help for {@link ADDRESS_OPTIONS}. */
export const ADDRESS_HELP = [
  "--port N                   default PORT, else 8080; 0 picks a free one",
  "--host H                   default HOST, else 127.0.0.1 (this machine only)",
  "--allow-unauthenticated    let in everybody who reaches any other host: for a proxy in front that asks who people are",
  "--public-url URL           the address by which others reach this server, such as https://lake.example.org behind a proxy: pages show it",
  "--queries DIR              a folder of saved queries, beside the shipped ones; may be repeated",
  "--small-cell K             show no count of a cohort below K (default 11; 0 shows all)",
  "--max-rows N               rows of one answer at most; what is cut says so (X-Row-Limit, X-Truncated); default no bound",
  "--hot-copies SIZE          disk for copies of views that are asked for again and again (default 4GiB, at most a tenth of what is free; 0 for none)",
];

/** Host and port from the options, PORT and HOST of the environment, or 127.0.0.1:8080; and what answers are bound by. */
export function address({ values, environment }: Invocation): {
  host: string;
  port: number;
  smallCell?: number;
  maxRows?: number;
  hotCopies?: { readonly mostBytes: number };
  publicUrl?: URL;
} {
  const port = parseCount(textOption(values, "port") ?? environment["PORT"] ?? "8080", "port", 0);
  const host = textOption(values, "host") ?? environment["HOST"] ?? "127.0.0.1";
  const least = textOption(values, "small-cell");
  const most = textOption(values, "max-rows");
  const copies = textOption(values, "hot-copies");
  const shown = textOption(values, "public-url");
  return {
    host,
    port,
    ...(least === undefined ? {} : { smallCell: parseCount(least, "small-cell", 0) }),
    ...(most === undefined ? {} : { maxRows: parseCount(most, "max-rows", 1) }),
    ...(copies === undefined ? {} : { hotCopies: { mostBytes: parseSize(copies, "hot-copies") } }),
    ...(shown === undefined ? {} : { publicUrl: parseOrigin(shown, "public-url") }),
  };
}

/**
 * Who may ask the server what: on this machine everybody, on other addresses whoever has a key or a token. Errors: `cli/unauthenticated` for an
 * address that other machines reach while nobody has either, unless everybody is let in explicitly.
 */
export async function accessSide(invocation: Invocation, lake: Lake): Promise<ServerAccess> {
  const { host } = address(invocation);
  return await configuredAccess(lake, host, {
    loaded: loadedConfig(invocation),
    environment: invocation.environment,
    isLoopback: LOOPBACK.has(host),
    allowUnauthenticated: invocation.values["allow-unauthenticated"] === true,
  });
}

/** Says what callers need, where they need something. */
export function tellWhoMayAsk({ output }: Invocation, { isOpen }: ServerAccess): void {
  if (!isOpen)
    output.note("Callers show an API key (fhir-lake keys create) or an access token; see docs/security.md.");
}

/** Opens the lake for a server, and closes whatever the server was made of before it. */
export function withServed(
  invocation: Invocation,
  work: (lake: Lake, opened: Opened) => Promise<number>,
): Promise<number> {
  return withLake(invocation, (lake) => withOpened((opened) => work(lake, opened)));
}

/** `fhir-lake serve` */
export const serveCommand: Command = {
  name: ["serve"],
  summary: "Serve the lake over HTTP; configured schedules run beside",
  usage:
    "[--port N] [--host H] [--allow-unauthenticated] [--small-cell K] [--max-rows N] [--hot-copies SIZE] [--public-url URL] [--queries DIR]…",
  help: ADDRESS_HELP,
  options: ADDRESS_OPTIONS,
  positionals: [0, 0],
  run: (invocation) =>
    withServed(invocation, async (lake, opened) => {
      const memoryLimitBytes = memoryLimit(invocation);
      const tracing = await startTracing(invocation.environment);
      opened.add(() => tracing.close());
      const access = await accessSide(invocation, lake);
      opened.add(() => access.close());
      const { live, close } = await liveSide(invocation, lake);
      opened.add(close);
      const server = await serveLake(lake, {
        ...address(invocation),
        access,
        stalenessTargets: stalenessTargets(loadedConfig(invocation)),
        selfCheck: selfCheckSide(invocation, loadedConfig(invocation)),
        savedQueries: await checkedQueries(invocation, lake),
        live,
        ...(memoryLimitBytes === undefined ? {} : { memoryLimitBytes }),
      });
      opened.add(() => server.close());
      invocation.output.document({ url: server.url });
      tellWhoMayAsk(invocation, access);
      invocation.output.line(`Serving ${lake.store.location} on ${server.url} (Ctrl+C stops)`);
      await withSchedules(invocation, lake, untilStopped);
      return EXIT.ok;
    }),
};
