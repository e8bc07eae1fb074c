import { serveLake, untilStopped } from "../../serve.js";
import type { Command, Invocation } from "../command.js";
import { EXIT } from "../exit-code.js";
import { withLake } from "../open-lake.js";
import { memoryLimit, parseCount, textOption } from "../option-value.js";

/** Host and port from the options, PORT and HOST of the environment, or 127.0.0.1:8080. */
export function address({ values, environment }: Invocation): { host: string; port: number } {
  const port = textOption(values, "port") ?? environment["PORT"] ?? "8080";
  return {
    host: textOption(values, "host") ?? environment["HOST"] ?? "127.0.0.1",
    port: parseCount(port, "port", 0),
  };
}

/** `fhir-lake serve` */
export const serveCommand: Command = {
  name: ["serve"],
  summary: "Serve the lake over HTTP",
  usage: "[--port N] [--host H]",
  help: [
    "--port N  default PORT, else 8080; 0 picks a free one",
    "--host H  default 127.0.0.1 (this machine only)",
  ],
  options: { port: { type: "string" }, host: { type: "string" } },
  positionals: [0, 0],
  run: (invocation) =>
    withLake(invocation, async (lake) => {
      const memoryLimitBytes = memoryLimit(invocation);
      const server = await serveLake(lake, {
        ...address(invocation),
        ...(memoryLimitBytes === undefined ? {} : { memoryLimitBytes }),
      });
      invocation.output.document({ url: server.url });
      invocation.output.line(`Serving ${lake.store.location} on ${server.url} (Ctrl+C stops)`);
      await untilStopped();
      await server.close();
      return EXIT.ok;
    }),
};
