import { LakeError } from "#kernel";
import { serveLake, untilStopped } from "../../serve.js";
import type { Command, Invocation } from "../command.js";
import { loadedConfig, stalenessTargets } from "../config-option.js";
import { EXIT } from "../exit-code.js";
import { liveSide } from "../live-option.js";
import { withLake } from "../open-lake.js";
import { memoryLimit, parseCount, textOption } from "../option-value.js";
import { withSchedules } from "../schedule-beside.js";
import { selfCheckSide } from "../self-check-option.js";

const LOOPBACK = new Set(["127.0.0.1", "::1", "localhost"]);

/** Options of every command that serves. */
export const ADDRESS_OPTIONS = {
  port: { type: "string" },
  host: { type: "string" },
  "allow-unauthenticated": { type: "boolean" },
  "small-cell": { type: "string" },
} as const;

/** Help for {@link ADDRESS_OPTIONS}. */
export const ADDRESS_HELP = [
  "--port N                   default PORT, else 8080; 0 picks a free one",
  "--host H                   default HOST, else 127.0.0.1 (this machine only)",
  "--allow-unauthenticated    needed for any other host, because everybody who reaches it can read everything",
  "--small-cell K             show no count of a cohort below K (default 11; 0 shows all)",
];

/**
 * Host, port and least count from the options, PORT and HOST of the environment, or 127.0.0.1:8080. Errors: `cli/unauthenticated` for a host
 * that other machines reach, unless that is allowed explicitly.
 */
export function address({ values, environment }: Invocation): {
  host: string;
  port: number;
  smallCell?: number;
} {
  const port = parseCount(textOption(values, "port") ?? environment["PORT"] ?? "8080", "port", 0);
  const host = textOption(values, "host") ?? environment["HOST"] ?? "127.0.0.1";
  if (!LOOPBACK.has(host) && values["allow-unauthenticated"] !== true) {
    throw new LakeError(
      "invalid-input",
      "cli/unauthenticated",
      `Serving on '${host}' would let everybody who reaches it read all data; put an authenticating proxy in front and add --allow-unauthenticated.`,
    );
  }
  const least = textOption(values, "small-cell");
  return { host, port, ...(least === undefined ? {} : { smallCell: parseCount(least, "small-cell", 0) }) };
}

/** `fhir-lake serve` */
export const serveCommand: Command = {
  name: ["serve"],
  summary: "Serve the lake over HTTP; configured schedules run beside",
  usage: "[--port N] [--host H] [--allow-unauthenticated] [--small-cell K]",
  help: ADDRESS_HELP,
  options: ADDRESS_OPTIONS,
  positionals: [0, 0],
  run: (invocation) =>
    withLake(invocation, async (lake) => {
      const memoryLimitBytes = memoryLimit(invocation);
      const { live, close } = await liveSide(invocation, lake);
      const server = await serveLake(lake, {
        ...address(invocation),
        stalenessTargets: stalenessTargets(loadedConfig(invocation)),
        selfCheck: selfCheckSide(invocation, loadedConfig(invocation)),
        live,
        ...(memoryLimitBytes === undefined ? {} : { memoryLimitBytes }),
      });
      invocation.output.document({ url: server.url });
      invocation.output.line(`Serving ${lake.store.location} on ${server.url} (Ctrl+C stops)`);
      await withSchedules(invocation, lake, untilStopped);
      await server.close();
      await close();
      return EXIT.ok;
    }),
};
