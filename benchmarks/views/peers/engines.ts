import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { LakeError, packageRoot } from "#kernel";
import type { Engine } from "./run-engine.js";

const SIDE = fileURLToPath(new URL("../../sides/view-to-file.js", import.meta.url));
const here = path.join(packageRoot(), "benchmarks", "views", "peers");

/** Our compiler, and the hand-written SQL that is the limit of its engine. */
export const OWN: readonly Engine[] = [
  { name: "fhir-lake", command: process.execPath, args: [SIDE, "ours"] },
  { name: "hand-written SQL", command: process.execPath, args: [SIDE, "hand"] },
];

interface Peer {
  readonly name: string;
  /** Its folder, and what must be in it. */
  readonly home: string;
  readonly needs: readonly string[];
  /** Our program for it; a Python program runs in the environment that its folder is. */
  readonly driver: string;
  readonly share?: number;
  readonly warmUps?: number;
  readonly isSlowToStart?: boolean;
}

const PEERS: readonly Peer[] = [
  {
    name: "reference",
    home: "sql-on-fhir-v2",
    needs: ["sof-js/node_modules"],
    driver: "reference.mjs",
    // It needs seconds for a thousand resources.
    share: 100,
  },
  {
    name: "FlatQuack",
    home: "flatquack",
    needs: ["src/query-builder.js", "node_modules/@duckdb/node-api"],
    driver: "flatquack.mjs",
  },
  {
    name: "Pathling",
    home: "pathling",
    needs: ["bin/python", "jars"],
    driver: "pathling-views.py",
    isSlowToStart: true,
  },
  {
    name: "helios-sof",
    home: "helios",
    needs: ["bin/sof-cli"],
    driver: "helios.mjs",
    // It needs a second for a thousand resources, however many there are.
    share: 10,
    // Each of its evaluations is a process of its own.
    warmUps: 0,
  },
];

function engineOf(peer: Peer, home: string): Engine {
  const { name, driver, share, warmUps, isSlowToStart } = peer;
  return {
    name,
    command: driver.endsWith(".py") ? path.join(home, "bin", "python") : process.execPath,
    args: [path.join(here, driver)],
    environment: { FHIR_LAKE_PEER_HOME: home },
    ...(share === undefined ? {} : { share }),
    ...(warmUps === undefined ? {} : { warmUps }),
    ...(isSlowToStart === undefined ? {} : { isSlowToStart }),
  };
}

/** What `--peers` found. */
export interface Peers {
  readonly installed: readonly Engine[];
  /** Why the others are not there: `<name>: no <path>`. */
  readonly absent: readonly string[];
}

/**
 * The peers below a folder, each in its own; benchmarks/views/README.md says how they come there.
 *
 * @throws LakeError (invalid-input) for a folder with none of them: it was named by mistake.
 */
export function peersBelow(folder: string): Peers {
  const installed: Engine[] = [];
  const absent: string[] = [];
  for (const peer of PEERS) {
    const home = path.resolve(folder, peer.home);
    const missing = peer.needs.map((need) => path.join(home, need)).find((place) => !existsSync(place));
    if (missing === undefined) installed.push(engineOf(peer, home));
    else absent.push(`${peer.name}: no ${missing}`);
  }
  if (installed.length === 0)
    throw new LakeError(
      "invalid-input",
      "benchmarks/no-peers",
      `--peers=${folder} has none of the peers (${absent.join("; ")}); benchmarks/views/README.md says how to install them`,
    );
  return { installed, absent };
}
