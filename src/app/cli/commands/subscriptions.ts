import path from "node:path";
import { type EventStore, openEventStore } from "#events";
import { createFhirHttp } from "#ingestion";
import { isLakeError, LakeError, systemClock } from "#kernel";
import type { Lake } from "#lake";
import { Lease } from "#runs";
import { journalFile } from "../../journal-files.js";
import { SUBSCRIPTION_PREFIX } from "../../receive.js";
import { runAndTell } from "../../source-run/run-and-tell.js";
import { httpSettings, type SourceDefinition } from "../../source-run/source.js";
import { followEvents } from "../../subscribe/follow-state.js";
import { FOLLOW_LEASE } from "../../subscribe/follower.js";
import { followSettings, type KeepSettings } from "../../subscribe/settings.js";
import { carryOut, comparison, type KeptSubscriptions, keptSubscriptions } from "../../subscribe/sync.js";
import type { Command, Invocation } from "../command.js";
import { configuredSources, loadedConfig } from "../config-option.js";
import { EXIT } from "../exit-code.js";
import { withLake } from "../open-lake.js";
import { runContext } from "../run-context.js";

type Keeping = { readonly source: SourceDefinition; readonly keep: KeepSettings };

/** The sources whose Subscriptions are kept here: the one named, or all. Errors: `cli/not-subscribed`. */
function keeping({ positionals, environment, ...rest }: Invocation): Keeping[] {
  const loaded = loadedConfig({ ...rest, environment });
  const [name] = positionals;
  const sources = configuredSources(loaded, environment).filter(
    (source) => name === undefined || source.name === name,
  );
  const found = sources.flatMap((source) => {
    const keep = followSettings(source)?.keep;
    return keep === undefined ? [] : [{ source, keep }];
  });
  if (found.length > 0) return found;
  throw new LakeError(
    "invalid-input",
    "cli/not-subscribed",
    name === undefined
      ? "No source has notifications.subscribe in the configuration; docs/live.md shows how."
      : `The configuration has no source ${name} with notifications.subscribe; docs/live.md shows how.`,
  );
}

async function withServer<T>(
  { source, keep }: Keeping,
  work: (kept: KeptSubscriptions) => Promise<T>,
): Promise<T> {
  const http = createFhirHttp(httpSettings(source));
  try {
    return await work(await keptSubscriptions(keep, { http }));
  } finally {
    await http.close();
  }
}

/** Keeps serving processes from doing the same meanwhile. Errors: `cli/followed-elsewhere`. */
async function alone<T>(lake: Lake, work: () => Promise<T>): Promise<T> {
  let lease: Lease;
  try {
    lease = await Lease.take({ store: lake.store, clock: systemClock }, FOLLOW_LEASE, "a command");
  } catch (cause) {
    if (!isLakeError(cause, "runs/lease-held")) throw cause;
    throw new LakeError(
      "conflict",
      "cli/followed-elsewhere",
      "A serving process of this lake keeps the Subscriptions by itself; stop it first, or change its configuration and restart it.",
      { cause },
    );
  }
  try {
    return await work();
  } finally {
    await lease.release();
  }
}

async function withJournal<T>(
  { environment }: Invocation,
  lake: Lake,
  work: (journal: EventStore) => Promise<T>,
): Promise<T> {
  const databaseUrl = environment["DATABASE_URL"];
  const file = journalFile(lake.store.location, environment) ?? path.resolve("journal.sqlite");
  const journal = await openEventStore({ file, databaseUrl });
  try {
    return await work(journal);
  } finally {
    await journal.close();
  }
}

const HEAD = ["source", "subscription", "about", "state", "ends", ""];

async function list(invocation: Invocation): Promise<number> {
  const { output } = invocation;
  const documents: unknown[] = [];
  const rows: string[][] = [];
  let agrees = true;
  for (const one of keeping(invocation)) {
    const { name } = one.source;
    const actions = await withServer(one, (kept) => comparison(kept, Date.now()));
    for (const action of actions) {
      agrees &&= action.kind === "keep";
      const todo = action.kind === "keep" ? "" : `sync would ${action.kind} it`;
      const found = action.kind === "create" ? undefined : action.found;
      const about =
        found?.about ?? (JSON.parse(action.kind === "create" ? action.wanted.key : "[]") as string[])[0]!;
      documents.push({
        source: name,
        id: found?.id ?? null,
        about,
        status: found?.status ?? null,
        end: found?.end ?? null,
        action: action.kind,
      });
      rows.push([name, found?.id ?? "(none)", about, found?.status ?? "", found?.end ?? "", todo]);
    }
  }
  output.document(documents);
  output.table(HEAD, rows);
  return agrees ? EXIT.ok : EXIT.incomplete;
}

async function syncOne(invocation: Invocation, lake: Lake, one: Keeping): Promise<string[][]> {
  const { name } = one.source;
  const context = await runContext(invocation, lake, loadedConfig(invocation));
  return withServer(one, (kept) =>
    withJournal(invocation, lake, async (journal) => {
      const nowMs = Date.now();
      const actions = await comparison(kept, nowMs);
      // Whoever serves next catches up: what changed before these Subscriptions run was told to nobody.
      if (actions.some(({ kind }) => kind !== "keep" && kind !== "remove")) {
        await journal.append({
          stream: `${SUBSCRIPTION_PREFIX}${name}`,
          events: [followEvents.dirty("Subscriptions were written by a command.")],
          expected: "any",
        });
      }
      const done = await carryOut(kept, actions, {
        nowMs,
        beforeReactivation: async () => {
          const { error } = await runAndTell(context, { source: one.source, trigger: "command" });
          if (error !== undefined) throw error;
        },
      });
      return done.map(({ id, about, did }) => [
        name,
        id,
        about,
        did === "keep" ? "as it should be" : `${did}d`,
      ]);
    }),
  );
}

async function sync(invocation: Invocation): Promise<number> {
  return withLake(invocation, (lake) =>
    alone(lake, async () => {
      const rows: string[][] = [];
      for (const one of keeping(invocation)) rows.push(...(await syncOne(invocation, lake, one)));
      invocation.output.document(rows.map(([source, id, about, did]) => ({ source, id, about, did })));
      invocation.output.table(["source", "subscription", "about", ""], rows);
      return EXIT.ok;
    }),
  );
}

async function remove(invocation: Invocation): Promise<number> {
  return withLake(invocation, (lake) =>
    alone(lake, async () => {
      const removed: { source: string; id: string }[] = [];
      for (const one of keeping(invocation)) {
        await withServer(one, async ({ server }) => {
          const ours = (await server.list()).filter(({ isOurs }) => isOurs);
          for (const { id } of ours) {
            await server.remove(id);
            removed.push({ source: one.source.name, id });
          }
        });
      }
      invocation.output.document(removed);
      invocation.output.line(
        `${removed.length} Subscriptions removed. Serving makes them again unless notifications.subscribe leaves the configuration.`,
      );
      return EXIT.ok;
    }),
  );
}

const HELP = [
  "[source]           one source of the configuration; all with notifications.subscribe when absent",
];

/** `fhir-lake subscriptions list` */
export const subscriptionsListCommand: Command = {
  name: ["subscriptions", "list"],
  summary: "Compare this lake's Subscriptions on its sources with the configuration",
  usage: "[source]",
  help: HELP,
  options: {},
  positionals: [0, 1],
  run: list,
};

/** `fhir-lake subscriptions sync` */
export const subscriptionsSyncCommand: Command = {
  name: ["subscriptions", "sync"],
  summary: "Create, renew, reactivate and remove Subscriptions as configured (serving does it by itself)",
  usage: "[source]",
  help: HELP,
  options: {},
  positionals: [0, 1],
  run: sync,
};

/** `fhir-lake subscriptions remove` */
export const subscriptionsRemoveCommand: Command = {
  name: ["subscriptions", "remove"],
  summary: "Remove this lake's Subscriptions from its sources",
  usage: "[source]",
  help: HELP,
  options: {},
  positionals: [0, 1],
  run: remove,
};
