import { pipeline } from "node:stream/promises";
import { LakeError, parseExactJson, systemClock } from "#kernel";
import {
  createQuery,
  type Freshness,
  freshnessOf,
  type SqlAnswer,
  type SqlQuestion,
  sqlParameters,
} from "#query";
import { openReadCatalog } from "../../read-catalog.js";
import type { Command, Invocation } from "../command.js";
import { EXIT } from "../exit-code.js";
import { withLake } from "../open-lake.js";
import { parseCount, textOption } from "../option-value.js";

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

function questionOf(sql: string, parameters: string | undefined): SqlQuestion {
  return { sql, parameters: parameters === undefined ? {} : sqlParameters(parseExactJson(parameters)) };
}

/** `fhir-lake query` */
export const queryCommand: Command = {
  name: ["query"],
  summary: "Run one SELECT over the views (read only)",
  usage: '"<sql>" [--params JSON] [--snapshot N] [--consistency merged|batch] [--json]',
  help: [
    `--params JSON    values of the statement's parameters: '{"since": "2026-01-01"}' for $since`,
    "--snapshot N     read the views as they were in that snapshot (default: the newest)",
    "--consistency C  merged (default): with the journal's changes since the snapshot; batch: the snapshot alone",
  ],
  options: { params: { type: "string" }, snapshot: { type: "string" }, consistency: { type: "string" } },
  positionals: [1, 1],
  run: (invocation) =>
    withLake(
      invocation,
      async (lake) => {
        const { positionals, values, environment } = invocation;
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
        try {
          const temporaryFolder = await lake.store.stagingDirectory(`query-${process.pid}`);
          const query = createQuery({ catalog, database: lake.database, temporaryFolder });
          try {
            const state = snapshot === undefined ? {} : { snapshot: parseCount(snapshot, "snapshot", 1) };
            const opened = await query.snapshot(state);
            const answer = await query.runSql(
              opened,
              questionOf(positionals[0]!, textOption(values, "params")),
            );
            await print(answer, invocation);
            answer.close();
          } finally {
            await query.close();
          }
        } finally {
          await close();
        }
        return EXIT.ok;
      },
      { mustExist: true },
    ),
};
