import { pin, pins, releasePin } from "#lake";
import type { Command } from "../command.js";
import { EXIT } from "../exit-code.js";
import { withLake } from "../open-lake.js";
import { parseCount, parseDuration, textOption } from "../option-value.js";

/** `fhir-lake pin` */
export const pinCommand: Command = {
  name: ["pin"],
  summary: "Keep a snapshot readable under a name",
  usage: "<name> [--snapshot N] [--for 30d]",
  help: [
    "--snapshot N   the snapshot to keep (default: the newest)",
    "--for 30d      let the pin end by itself (default: it holds until unpin)",
  ],
  options: { snapshot: { type: "string" }, for: { type: "string" } },
  positionals: [1, 1],
  run: (invocation) =>
    withLake(
      invocation,
      async (lake) => {
        const { output, positionals, values } = invocation;
        const [snapshot, lifetime] = [textOption(values, "snapshot"), textOption(values, "for")];
        const made = await pin(lake, {
          name: positionals[0]!,
          ...(snapshot === undefined ? {} : { snapshot: parseCount(snapshot, "snapshot", 1) }),
          ...(lifetime === undefined ? {} : { lifetimeMs: parseDuration(lifetime, "for") }),
        });
        output.document(made);
        output.line(
          `Snapshot ${made.snapshot} stays readable as '${made.name}'${made.until === undefined ? "" : ` until ${made.until}`}.`,
        );
        return EXIT.ok;
      },
      { mustExist: true },
    ),
};

/** `fhir-lake pins` */
export const pinsCommand: Command = {
  name: ["pins"],
  summary: "List the pinned snapshots",
  usage: "",
  options: {},
  positionals: [0, 0],
  run: (invocation) =>
    withLake(
      invocation,
      async (lake) => {
        const { output } = invocation;
        const ids = new Set(await lake.history.ids());
        const found = (await pins(lake)).map((one) => ({ ...one, readable: ids.has(one.snapshot) }));
        output.document(found);
        output.table(
          ["name", "snapshot", "since", "until", "state"],
          found.map((one) => [
            one.name,
            one.snapshot,
            one.createdAt,
            one.until ?? "unpinned",
            one.readable ? "readable" : "gone",
          ]),
        );
        return EXIT.ok;
      },
      { mustExist: true },
    ),
};

/** `fhir-lake unpin` */
export const unpinCommand: Command = {
  name: ["unpin"],
  summary: "Take a pin off for good; vacuum may then remove its snapshot",
  usage: "<name>",
  options: {},
  positionals: [1, 1],
  run: (invocation) =>
    withLake(
      invocation,
      async (lake) => {
        const { output, positionals } = invocation;
        const one = await releasePin(lake, positionals[0]!);
        output.document(one);
        output.line(`Snapshot ${one.snapshot} is no longer held by '${one.name}'.`);
        return EXIT.ok;
      },
      { mustExist: true },
    ),
};
