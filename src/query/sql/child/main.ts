// The process that runs users' statements, one after the other. It has no part in what the server is: it is ended whenever the
// server likes, and ends itself when the server is gone.
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { Socket } from "node:net";
import { Database } from "#duckdb";
import type { EncodeOptions } from "../../result.js";
import { mapSqlError } from "../failure.js";
import {
  type Order,
  type Prepared,
  type Report,
  type SealedView,
  type StatementOrder,
  sentError,
} from "../protocol.js";
import { type CheckedStatement, checkedStatement } from "./checked-statement.js";
import { Engine } from "./engine.js";
import { Session } from "./session.js";

const PROGRESS_MS = 100;
/** Where bytes of answers go: the pipe that the server opened as the fourth file. */
const pipe = new Socket({ fd: 3, readable: false, writable: true });

function tell(report: Report): void {
  process.send?.(report);
}

function end(): void {
  // Not by `exit`, which would wait for the engine.
  process.kill(process.pid, "SIGKILL");
}

async function put(part: Uint8Array): Promise<void> {
  if (!pipe.write(part)) await once(pipe, "drain");
}

async function* textLines(session: Session): AsyncGenerator<Uint8Array> {
  for (const row of await session.texts()) yield Buffer.from(`${JSON.stringify(row)}\n`);
}

async function encode(
  session: Session,
  { format, options }: Extract<Order, { type: "encode" }>,
): Promise<void> {
  const { metadata, ...rest } = options;
  const encodeOptions: EncodeOptions = {
    ...rest,
    ...(metadata === undefined ? {} : { metadata: new Map(metadata) }),
  };
  const result = format === "texts" ? undefined : await session.encode(format, encodeOptions);
  let bytes = 0;
  let toldAt = Date.now();
  try {
    const size = result?.sizeBytes;
    tell({ type: "encoding", ...(size === undefined ? {} : { sizeBytes: size }) });
    for await (const part of result?.body ?? textLines(session)) {
      bytes += part.byteLength;
      await put(part);
      if (result === undefined || Date.now() - toldAt < PROGRESS_MS) continue;
      toldAt = Date.now();
      tell({ type: "progress", rows: result.rowCount() });
    }
    tell({ type: "encoded", rows: result?.rowCount() ?? 0, bytes });
  } finally {
    await result?.close();
  }
}

/** Parses statements, and never holds anything. */
const parser = await (await Database.open({ threads: 1 })).connect();

/** A statement that was checked and waits for its views. */
let waiting: { readonly order: StatementOrder; readonly checked: CheckedStatement } | undefined;
let session: Session | undefined;
/** Kept for a next statement over the same views, since opening one costs as much as a small statement. */
let engine: Engine | undefined;

function forget(): void {
  session = undefined;
  waiting = undefined;
  engine?.close();
  engine = undefined;
}

async function engineOf(order: StatementOrder, views: readonly SealedView[]): Promise<Engine> {
  if (engine?.isOf(views) === true) return engine;
  engine?.close();
  engine = undefined;
  engine = await Engine.open(order, views);
  return engine;
}

async function begin(views: readonly SealedView[]): Promise<Prepared> {
  const { order, checked } = waiting!;
  const { database } = await engineOf(order, views);
  session = new Session(database, order, checked);
  return await session.prepare();
}

async function check({ sql, views }: StatementOrder): Promise<CheckedStatement> {
  return await checkedStatement(parser, sql, views);
}

async function obey(order: Order): Promise<void> {
  switch (order.type) {
    case "prepare":
      waiting = { order: order.statement, checked: await check(order.statement) };
      return tell({ type: "needs", views: [...waiting.checked.views] });
    case "views":
      return tell({ type: "prepared", ...(await begin(order.views)) });
    case "encode":
      return await encode(session!, order);
    case "finish":
      await session?.close();
      session = undefined;
      waiting = undefined;
      return tell({ type: "finished" });
  }
}

let last: Promise<void> = Promise.resolve();

async function obeyOrTell(order: Order): Promise<void> {
  try {
    await obey(order);
  } catch (error) {
    const sent = sentError(mapSqlError(error));
    // A statement that was refused never came near the engine.
    if (order.type !== "prepare") forget();
    tell({ type: "failed", error: sent });
  }
}

process.on("message", (order: Order) => {
  last = last.then(() => obeyOrTell(order));
});
process.on("disconnect", end);
pipe.on("error", end);
try {
  // Where memory runs out on the whole machine, this process is to go and no other.
  writeFileSync("/proc/self/oom_score_adj", "1000");
} catch {
  // Only Linux has it.
}
tell({ type: "ready" });
