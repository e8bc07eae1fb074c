import { access, constants, mkdir } from "node:fs/promises";
import { Database } from "#duckdb";
import { isLakeError } from "#kernel";
import { Lake } from "#lake";
import { isRemote } from "#storage";
import { type HealthFinding as Finding, lakeHealth, spaceFinding } from "../../lake-health.js";
import type { Command, Invocation } from "../command.js";
import { EXIT } from "../exit-code.js";
import { lakeLocation } from "../option-value.js";

function checkNode(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const good = major > 20 || (major === 20 && minor >= 19);
  return {
    check: "Node.js",
    state: good ? "ok" : "problem",
    text: good ? process.version : `${process.version} is too old; install Node.js 20.19 or newer`,
  };
}

async function checkDuckDb(): Promise<Finding> {
  try {
    const database = await Database.open();
    const [row] = await database.with((c) => c.rows<{ v: string }>("SELECT version() AS v"));
    database.close();
    return { check: "DuckDB", state: "ok", text: row?.v ?? "" };
  } catch {
    return {
      check: "DuckDB",
      state: "problem",
      text: "the engine does not load; run npm ci again on this machine",
    };
  }
}

async function checkFolder(location: string): Promise<Finding[]> {
  try {
    await mkdir(location, { recursive: true });
    await access(location, constants.R_OK | constants.W_OK);
  } catch {
    return [
      {
        check: "lake folder",
        state: "problem",
        text: `${location} cannot be created or written; check its owner and mode`,
      },
    ];
  }
  return [{ check: "lake folder", state: "ok", text: location }, await spaceFinding(location)];
}

/** What opening a remote lake has already proved: the bucket is there, may be used, and keeps its promises. */
async function checkRemote(lake: Lake): Promise<Finding[]> {
  return [
    {
      check: "object store",
      state: "ok",
      text: `${lake.store.location} answers and honours conditional writes`,
    },
    { ...(await spaceFinding(lake.stagingRoot)), check: "cache space" },
  ];
}

async function checkHead(lake: Lake): Promise<Finding[]> {
  const head = await lake.history.latest();
  if (head === undefined)
    return [{ check: "snapshots", state: "warning", text: "the lake is empty; ingest something" }];
  const building = Object.entries(head.views).filter(([, view]) => view.state === "building");
  return [
    {
      check: "snapshots",
      state: "ok",
      text: `newest is ${head.id}, committed at ${head.committedAt}`,
    },
    building.length === 0
      ? { check: "views", state: "ok", text: `${Object.keys(head.views).length} ready` }
      : {
          check: "views",
          state: "warning",
          text: `${building.map(([name]) => name).join(", ")} not built yet; run fhir-lake views build`,
        },
    ...(await lakeHealth(lake)),
  ];
}

async function checkLake(location: string): Promise<Finding[]> {
  try {
    const lake = await Lake.open({ location });
    try {
      return [...(isRemote(location) ? await checkRemote(lake) : []), ...(await checkHead(lake))];
    } finally {
      await lake.close();
    }
  } catch (error) {
    return [
      {
        check: isRemote(location) ? "object store" : "snapshots",
        state: "problem",
        text: isLakeError(error) ? error.message : "the lake cannot be read",
      },
    ];
  }
}

async function findings(invocation: Invocation): Promise<Finding[]> {
  const location = lakeLocation(invocation);
  const folder = isRemote(location) ? [] : await checkFolder(location);
  return [checkNode(), await checkDuckDb(), ...folder, ...(await checkLake(location))];
}

/** `fhir-lake doctor` */
export const doctorCommand: Command = {
  name: ["doctor"],
  summary: "Check that this machine and the lake are in order",
  usage: "",
  options: {},
  positionals: [0, 0],
  run: async (invocation) => {
    const found = await findings(invocation);
    invocation.output.document(found);
    for (const { check, state, text } of found)
      invocation.output.line(`${state.padEnd(8)} ${check.padEnd(12)} ${text}`);
    return found.some(({ state }) => state === "problem") ? EXIT.incomplete : EXIT.ok;
  },
};
