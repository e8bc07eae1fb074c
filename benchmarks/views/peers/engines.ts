import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { packageRoot } from "#kernel";
import type { Engine } from "./run-engine.js";

const SIDE = fileURLToPath(new URL("../../sides/view-to-file.js", import.meta.url));
const here = path.join(packageRoot(), "benchmarks", "views", "peers");

/** Our compiler, and the hand-written SQL that is the limit of its engine. */
export const OWN: readonly Engine[] = [
  { name: "fhir-lake", command: process.execPath, args: [SIDE, "ours"] },
  { name: "hand-written SQL", command: process.execPath, args: [SIDE, "hand"] },
];

/** The peers that are installed below a folder; benchmarks/views/README.md says how. */
export function installedPeers(folder: string): Engine[] {
  const reference = path.join(folder, "sql-on-fhir-v2");
  if (!existsSync(path.join(reference, "sof-js", "node_modules"))) return [];
  return [
    {
      name: "reference",
      command: process.execPath,
      args: [path.join(here, "reference.mjs")],
      environment: { FHIR_LAKE_PEER_HOME: reference },
      // It needs seconds for a thousand resources.
      share: 100,
    },
  ];
}
