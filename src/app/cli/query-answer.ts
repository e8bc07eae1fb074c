import { pipeline } from "node:stream/promises";
import { LakeError, systemClock } from "#kernel";
import type { Lake } from "#lake";
import { createQuery, type Freshness, freshnessOf, type SqlAnswer, type SqlQuestion } from "#query";
import { openReadCatalog } from "../read-catalog.js";
import type { Invocation } from "./command.js";
import { parseCount, textOption } from "./option-value.js";

/** Options that say which state SQL reads. */
export const STATE_OPTIONS = { snapshot: { type: "string" }, consistency: { type: "string" } } as const;

/** Help for {@link STATE_OPTIONS}. */
export const STATE_HELP = [
  "--snapshot N     read the views as they were in that snapshot (default: the newest)",
  "--consistency C  merged (default): with the journal's changes since the snapshot; batch: the snapshot alone",
];

function freshnessNote(count: string, freshness: Freshness): string {
  const { snapshot, asOf, epoch, lagSeconds, state, reasons, deletesVerified } = freshness;
  return [
    `${count}from snapshot ${snapshot} as of ${asOf}`,
    ...(epoch === null ? [] : [`with changes up to epoch ${epoch}`]),
    ...(lagSeconds === null ? [] : [`lag ${lagSeconds} s`]),
    ...(state === "ok" || state === "pinned" ? [] : [[state, ...reasons].join(": ")]),
    ...(deletesVerified ? [] : ["deletes not verified"]),
  ].join(", ");
}

function consistencyOf(values: Invocation["values"]): "merged" | "batch" | undefined {
  const text = textOption(values, "consistency");
  if (text === undefined || text === "merged" || text === "batch") return text;
  throw new LakeError("invalid-input", "cli/bad-option", "--consistency is merged or batch.");
}

async function print(answer: SqlAnswer, { output }: Invocation): Promise<void> {
  const freshness = freshnessOf(answer.state, { now: systemClock.now() });
  if (output.json) {
    const { body } = await answer.encode("json");
    await pipeline(body, output.results, { end: false });
    output.results.write("\n");
    output.note(freshnessNote("rows ", freshness));
    return;
  }
  const rows = await answer.texts();
  output.table(
    answer.columns.map((c) => c.name),
    rows.map((row) => row.map((cell) => cell ?? "")),
  );
  output.note(freshnessNote(`${rows.length} rows `, freshness));
}

/** Runs a statement at the state that the options name and prints its rows. */
export async function printAnswer(invocation: Invocation, lake: Lake, question: SqlQuestion): Promise<void> {
  const { values, environment } = invocation;
  const snapshot = textOption(values, "snapshot");
  const consistency = consistencyOf(values);
  if (snapshot !== undefined && consistency === "merged") {
    throw new LakeError(
      "invalid-input",
      "cli/bad-option",
      "A numbered snapshot is read as it was committed; leave out either --snapshot or --consistency merged.",
    );
  }
  const { catalog, close } = await openReadCatalog(lake, {
    environment,
    consistency: snapshot === undefined ? (consistency ?? "merged") : "batch",
  });
  const temporaryFolder = await lake.store.stagingDirectory(`query-${process.pid}`);
  const query = createQuery({ catalog, database: lake.database, temporaryFolder });
  try {
    const state = snapshot === undefined ? {} : { snapshot: parseCount(snapshot, "snapshot", 1) };
    const answer = await query.runSql(await query.snapshot(state), question);
    await print(answer, invocation);
    answer.close();
  } finally {
    await query.close();
    await close();
  }
}
