import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type EventStore, openEventStore } from "#events";
import { Lake } from "#lake";
import { journalFile } from "../../src/app/journal-files.js";
import { DEAD_LETTER_PREFIX, journalPorts } from "../../src/app/receive.js";
import { cli, type Finished, startCli } from "../support/cli.js";
import { type PostgresServer, postgresAvailable, startPostgres } from "../support/postgres-server.js";

const LETTER = { sender: "gateway", code: "invalid-utf8", message: "The bytes are not UTF-8." };
const BODY = Buffer.from([0x7b, 0x22, 0xff, 0x00, 0x0a]);

describe.each(["SQLite", "Postgres"])("dead letters on the command line, from a journal in %s", (kind) => {
  const isHere = kind === "SQLite" || postgresAvailable();
  let folder: string;
  let postgres: PostgresServer | undefined;
  let environment: Record<string, string>;
  let lake: Lake;

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "fhir-lake-dead-letters-cli-"));
    const sources = { quiet: { url: "http://127.0.0.1:9", types: ["Patient"] } };
    await writeFile(path.join(folder, "fhir-lake.config.json"), JSON.stringify({ lake: "lake", sources }));
    lake = await Lake.open({ location: path.join(folder, "lake") });
    if (kind === "Postgres" && isHere) postgres = await startPostgres();
    environment = postgres === undefined ? {} : { DATABASE_URL: await postgres.database() };
  });
  afterAll(async () => {
    await lake.close();
    await postgres?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const run = (...args: string[]): Promise<Finished> =>
    cli(["dead-letters", ...args], { cwd: folder, env: environment });
  const listed = async (...args: string[]): Promise<number[]> => {
    const { code, stdout } = await run("--json", ...args);
    expect(code).toBe(0);
    return (JSON.parse(stdout) as { position: number }[]).map(({ position }) => position);
  };
  const bodyOf = async (position: number): Promise<Buffer> => {
    const args = ["dead-letters", "--body", String(position)];
    const { child, finished } = startCli(args, { cwd: folder, env: environment });
    const bytes: Buffer[] = [];
    child.stdout!.on("data", (chunk: Buffer) => bytes.push(chunk));
    expect(await finished).toMatchObject({ code: 0, stderr: "" });
    return Buffer.concat(bytes);
  };
  const withJournal = async (work: (journal: EventStore) => Promise<void>): Promise<void> => {
    const journal = await openEventStore({
      file: journalFile(lake.store.location, environment) ?? "",
      databaseUrl: environment["DATABASE_URL"],
    });
    await work(journal).finally(() => journal.close());
  };

  it.skipIf(!isHere)("are none in a lake that refused nothing, and looking makes no journal", async () => {
    expect(await run()).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("no dead letters") as string,
    });
    expect(await listed("--source", "quiet")).toEqual([]);
    expect((await run("--body", "1")).code).toBe(3);
    expect(existsSync(path.join(lake.store.location, "journal"))).toBe(false);
  });

  it.skipIf(!isHere)(
    "are listed without bodies, chosen by source, time and number, and one body is written when asked for",
    async () => {
      await withJournal(async (journal) => {
        for (const source of ["hospital", "lab", "hospital"]) {
          await journalPorts(lake, journal).deadLetter({ ...LETTER, source, body: BODY });
        }
      });
      const { code, stdout } = await run();
      expect(code).toBe(0);
      const [head, , ...rows] = stdout.trim().split("\n");
      expect(head).toMatch(/^position +at +source +sender +code +bytes +body +message$/);
      expect(rows.map((row) => row.split(/ {2,}/).filter((_, i) => i !== 1))).toEqual(
        ["hospital", "lab", "hospital"].map((source, i) => [
          String(i + 1),
          source,
          LETTER.sender,
          LETTER.code,
          "5",
          "kept",
          LETTER.message,
        ]),
      );
      expect(await listed("--source", "hospital")).toEqual([1, 3]);
      expect(await listed("--limit", "2")).toEqual([2, 3]);
      expect(await listed("--since", "2026-01-01T01:00:00+01:00")).toEqual([1, 2, 3]);
      expect(await listed("--since", "2999-01-01T00:00:00Z")).toEqual([]);
      expect(await bodyOf(2)).toEqual(BODY);
    },
  );

  it.skipIf(!isHere)(
    "say what is wrong: an unknown source, time or position, and a body that was erased",
    async () => {
      const unknown = await run("--source", "hospitl");
      expect([unknown.code, unknown.stderr]).toEqual([
        3,
        expect.stringContaining("Did you mean 'hospital'?"),
      ]);
      const when = await run("--since", "yesterday");
      expect([when.code, when.stderr]).toEqual([2, expect.stringContaining("2026-03-01T08:00:00Z")]);
      expect((await run("--limit", "0")).code).toBe(2);
      expect((await run("--body", "first")).code).toBe(2);
      const nowhere = await run("--body", "4");
      expect([nowhere.code, nowhere.stderr]).toEqual([3, expect.stringContaining("30 days")]);
      await withJournal(async (journal) => {
        const [event] = await journal.readAll(0, 1, { streamPrefix: DEAD_LETTER_PREFIX });
        await journal.shred([event!.subject!]);
      });
      const erased = await run("--body", "1");
      expect([erased.code, erased.stdout]).toEqual([3, ""]);
      expect(erased.stderr).toContain("nobody can read it any more");
      expect((await run()).stdout).toMatch(/^1 .* erased /m);
      const help = await run("--help");
      expect(help.stdout).toMatch(/--body POSITION .*\(PHI\)/);
    },
  );
});
