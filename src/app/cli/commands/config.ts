import { configJsonSchema, effectiveConfig } from "#config";
import type { Command } from "../command.js";
import { loadedConfig } from "../config-option.js";
import { EXIT } from "../exit-code.js";
import { lakeLocation } from "../option-value.js";

/** `fhir-lake config` */
export const configCommand: Command = {
  name: ["config"],
  summary: "Check the configuration and print its effective values, secrets masked",
  usage: "[--schema]",
  help: ["--schema           print the JSON Schema of the configuration instead, for editors"],
  options: { schema: { type: "boolean" } },
  positionals: [0, 0],
  run: async (invocation) => {
    const { output, values, environment } = invocation;
    const print = (value: unknown): void => void output.results.write(`${JSON.stringify(value, null, 2)}\n`);
    if (values["schema"] === true) {
      print(configJsonSchema());
      return EXIT.ok;
    }
    const { config, file, folder } = loadedConfig(invocation);
    if (file === undefined) output.note("There is no configuration file; these are the defaults.");
    print({ ...effectiveConfig(config, { environment, folder }), lake: lakeLocation(invocation) });
    return EXIT.ok;
  },
};
