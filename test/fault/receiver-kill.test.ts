import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { afterAll, describe, expect, it } from "vitest";
import { openEventStore } from "#events";
import { Lake, verify } from "#lake";
import { seeded } from "../support/random.js";

const WORKER = path.resolve(import.meta.dirname, "../support/receiver-worker.mjs");
const SECRET = "a-secret-of-this-test";
const SENDERS = 8;
const IDS_PER_SENDER = 12;

const scratch = mkdtempSync(path.join(tmpdir(), "fhir-lake-receiver-kill-"));

/** One row per name: a resource that were stored twice would show twice. */
const VIEW = {
  resourceType: "ViewDefinition",
  name: "states",
  resource: "Patient",
  status: "active",
  select: [
    { column: [{ name: "id", path: "id", type: "id" }] },
    { forEach: "name", column: [{ name: "family", path: "family", type: "string" }] },
  ],
};

/** A receiver under way. */
interface Receiver {
  readonly url: string;
  readonly child: ChildProcess;
  readonly ended: Promise<void>;
  /** It will die at a point of its own accord. */
  readonly hasPoint: boolean;
}

/** What was sent of one resource, in order; what was acknowledged must count, what was not may. */
interface Sent {
  readonly text: string;
  acknowledged: boolean;
}

function instant(clock: number): string {
  return new Date(Date.UTC(2026, 0, 1) + clock * 1000).toISOString();
}

/** Sends one change after the other, each again and again until it is acknowledged or, sometimes, given up. */
class Sender {
  readonly sent = new Map<string, Sent[]>();
  acknowledged = 0;
  private readonly name: string;
  private readonly random: () => number;
  private readonly address: () => Promise<string>;
  private clock = 0;
  private stopped = false;
  private patience = Number.POSITIVE_INFINITY;
  private readonly ended: Promise<void>;

  constructor(name: string, seed: number, address: () => Promise<string>) {
    this.name = name;
    this.random = seeded(seed);
    this.address = address;
    this.ended = this.run();
  }

  private async run(): Promise<void> {
    while (!this.stopped) await this.change();
  }

  private async change(): Promise<void> {
    const id = `${this.name}-${Math.floor(this.random() * IDS_PER_SENDER)}`;
    const clock = ++this.clock;
    const isDelete = this.random() < 0.15;
    const sent: Sent = { text: isDelete ? "" : `v${clock}`, acknowledged: false };
    this.sent.set(id, [...(this.sent.get(id) ?? []), sent]);
    const resource = `{"resourceType":"Patient","id":"${id}","meta":{"lastUpdated":"${instant(clock)}"},"name":[{"family":"${sent.text}"}]}`;
    const deletion = `{"resourceType":"Bundle","type":"history","entry":[{"request":{"method":"DELETE","url":"Patient/${id}"},"response":{"lastModified":"${instant(clock)}"}}]}`;
    const tries = this.random() < 0.2 ? 1 : Number.POSITIVE_INFINITY;
    for (let attempt = 0; attempt < Math.min(tries, this.patience); attempt++) {
      if (await this.post(isDelete ? deletion : resource)) {
        sent.acknowledged = true;
        this.acknowledged++;
        return;
      }
    }
  }

  private async post(body: string): Promise<boolean> {
    const url = await this.address();
    try {
      const response = await fetch(`${url}/notify/main/${SECRET}`, { method: "POST", body });
      await response.arrayBuffer();
      if (response.status === 503 || response.status === 429) return false;
      expect(response.status).toBe(204);
      return true;
    } catch (error) {
      // The receiver died under it, with or without having stored the change.
      if (error instanceof TypeError) return false;
      throw error;
    }
  }

  /** Ends after the change under way. */
  async stop(): Promise<void> {
    this.stopped = true;
    await this.ended;
  }

  /** Ends at once, whatever is under way. */
  abandon(): void {
    this.stopped = true;
    this.patience = 0;
  }
}

/** The states in which a resource may end: what was acknowledged last, or anything sent after it. */
function possible(sent: readonly Sent[]): string[] {
  const last = sent.findLastIndex(({ acknowledged }) => acknowledged);
  const from = last < 0 ? [""] : [];
  return [...from, ...sent.slice(Math.max(0, last)).map(({ text }) => text)];
}

async function journalHead(location: string): Promise<number> {
  const journal = await openEventStore({ file: path.join(location, "journal", "journal.sqlite") });
  try {
    return await journal.head();
  } finally {
    await journal.close();
  }
}

async function rows(url: string, query: string): Promise<string[]> {
  const response = await fetch(`${url}/views/states.csv?${query}`);
  expect(response.status).toBe(200);
  const [, ...lines] = (await response.text()).trim().split(/\r?\n/);
  return lines.filter((line) => line !== "").sort();
}

describe("kill -9 of a receiver under load", () => {
  const location = path.join(scratch, "lake");
  const viewFolder = path.join(scratch, "views");
  mkdirSync(viewFolder);
  writeFileSync(path.join(viewFolder, "states.json"), JSON.stringify(VIEW));
  const seed = Number(process.env["FHIR_LAKE_KILL_SEED"] ?? 20_261_121);
  const kills = Number(process.env["FHIR_LAKE_RECEIVER_KILLS"] ?? 10);
  const random = seeded(seed);

  let running: Promise<Receiver>;
  let senders: Sender[] = [];
  afterAll(async () => {
    for (const sender of senders) sender.abandon();
    (await running).child.kill("SIGKILL");
    await (await running).ended;
    rmSync(scratch, { recursive: true, force: true });
  });

  const start = (crashAt = ""): Promise<Receiver> => {
    // Small enough that every receiver folds, commits and trims while it lives.
    const hasPoint = crashAt !== "";
    const flush = { resources: 20, ageMs: 300, keepCoveredMs: 200 };
    const request = JSON.stringify({ location, secret: SECRET, viewFolder, flush });
    const child = spawn(process.execPath, [WORKER, request], {
      env: { ...process.env, NODE_OPTIONS: "", FHIR_LAKE_CRASH_AT: crashAt },
      stdio: ["ignore", "pipe", "pipe"],
    });
    createInterface({ input: child.stderr! }).on("line", (line) => {
      if (line.includes("merged reads differ")) alarms++;
      process.stderr.write(`${line}\n`);
    });
    const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
    const first = new Promise<string>((resolve) =>
      createInterface({ input: child.stdout! }).once("line", resolve),
    );
    return Promise.race([
      first.then((line) => ({ url: (JSON.parse(line) as { url: string }).url, child, ended, hasPoint })),
      // It died before it listened.
      ended.then(() => ({ url: "http://127.0.0.1:9", child, ended, hasPoint })),
    ]);
  };
  const address = async (): Promise<string> => {
    const { url, child } = await running;
    // Between death and the next start nothing can be reached; asking all the time would only take its processor.
    if (child.exitCode !== null || child.signalCode !== null) await new Promise((r) => setTimeout(r, 20));
    return url;
  };

  let alarms = 0;
  let atPoints = 0;
  /** Lets the receiver live for a while under load, or until it comes to a named point in a write, and kills it. */
  const killOnce = async (): Promise<void> => {
    const receiver = await running;
    let killed = false;
    const kill = (): void => {
      killed = true;
      receiver.child.kill("SIGKILL");
    };
    const life = setTimeout(kill, receiver.hasPoint ? 8000 : 50 + random() * 2500);
    await receiver.ended;
    clearTimeout(life);
    expect(receiver.child.signalCode).toBe("SIGKILL");
    if (!killed) atPoints++;
    running = start(random() < 0.5 ? pointInWrite(random) : "");
  };

  it(`keeps every acknowledged change, and none twice, in ${kills} kills`, async () => {
    running = start();
    senders = Array.from({ length: SENDERS }, (_, i) => new Sender(`s${i}`, seed + i, address));
    for (let killed = 0; killed < kills; killed++) await killOnce();
    // The last one may have been told to die at a point.
    (await running).child.kill("SIGKILL");
    await (await running).ended;
    running = start();
    const { url, child, ended } = await running;
    await Promise.all(senders.map((sender) => sender.stop()));
    // A lake that began with a flush has its views a moment later.
    await expect
      .poll(async () => (await fetch(`${url}/views/states.csv`)).status, { timeout: 60_000 })
      .toBe(200);
    const acknowledged = senders.reduce((sum, sender) => sum + sender.acknowledged, 0);
    expect(acknowledged).toBeGreaterThan(kills);

    const seen = await rows(url, `min_epoch=${await journalHead(location)}`);
    const byId = new Map(seen.map((line) => line.split(",") as [string, string]));
    expect(seen, "a resource stands twice").toHaveLength(byId.size);
    for (const sender of senders) {
      for (const [id, sent] of sender.sent) expect(possible(sent), id).toContain(byId.get(id) ?? "");
    }
    // What is folded into the lake is the same again.
    await expect.poll(() => rows(url, "consistency=batch"), { timeout: 60_000, interval: 300 }).toEqual(seen);
    child.kill("SIGTERM");
    await ended;
    expect(alarms, "checks of merged reads against themselves that found a difference").toBe(0);
    const lake = await Lake.open({ location });
    expect((await verify(lake)).damaged).toEqual([]);
    expect((await lake.head()).tables["Patient"]?.resourceCount).toBe(seen.length);
    await lake.close();
    console.log(
      `${kills} kills with seed ${seed}, ${atPoints} of them inside a write: ${acknowledged} acknowledged changes`,
    );
  }, 3_600_000);
});

/** A place inside a flush's writes, to die before or after the n-th of them. */
function pointInWrite(random: () => number): string {
  const points = [
    "publish.resources",
    "publish.views",
    "makeDurable.resources",
    "putIfAbsent.snapshots",
    "putIfAbsent.landing",
  ];
  const point = points[Math.floor(random() * points.length)]!;
  return `store.${point}.${random() < 0.5 ? "before" : "after"}#${1 + Math.floor(random() * 3)}`;
}
