import { cpSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { cli, type Finished } from "../support/cli.js";

let lake: string;
let scratch: string;
beforeEach(() => {
  scratch = mkdtempSync(path.join(tmpdir(), "fhir-lake-operations-"));
  lake = path.join(scratch, "lake");
  cpSync(path.resolve("test/fixtures/lakes/v0.1.0"), lake, { recursive: true });
});

const run = (...args: string[]): Promise<Finished> => cli([...args, "--lake", lake]);
const json = async (...args: string[]): Promise<unknown> => JSON.parse((await run(...args, "--json")).stdout);
const COUNT = "SELECT count(*) AS n FROM patient_demographics";

describe("operating a lake from the command line", () => {
  it("pins a snapshot, vacuums the others, reads and restores the pinned one, and says what is gone", async () => {
    expect((await run("pin", "paper", "--snapshot", "15")).stdout).toContain("Snapshot 15 stays readable");
    expect(await json("pins")).toMatchObject([{ name: "paper", snapshot: 15, readable: true }]);
    const planned = await json("vacuum", "--keep", "1", "--grace", "0s", "--dry-run");
    expect(planned).toMatchObject({ snapshots: [16], pinned: [15], dryRun: true });
    expect(await json("vacuum", "--keep", "1", "--grace", "0s")).toMatchObject({
      ...(planned as object),
      dryRun: false,
    });
    expect(await json("query", COUNT, "--snapshot", "15")).toEqual([{ n: 11 }]);
    const gone = await run("query", COUNT, "--snapshot", "16");
    expect(gone.code).toBe(3);
    expect(gone.stderr).toContain("the oldest that can be read is 15");
    expect((await run("restore", "--snapshot", "15", "--dry-run")).stdout).toContain("Nothing was changed");
    expect((await run("restore", "--snapshot", "15")).stdout).toContain("as snapshot 18");
    expect((await run("unpin", "papr")).stderr).toContain("Did you mean 'paper'?");
    expect((await run("unpin", "paper")).code).toBe(0);
    expect((await run("verify")).code).toBe(0);
  }, 180_000);

  it("shows an erasure first, wants decisions, erases and lists", async () => {
    const dry = await run("erase", "--patient", "fixture/Patient/p1", "--dry-run");
    expect(dry.stdout).toContain("Nothing was changed");
    expect(dry.stdout).toMatch(/Condition +\d/);
    const nobody = await run("erase", "--patient", "fixture/Patient/nobody");
    expect(nobody.code).toBe(3);
    expect(nobody.stderr).toContain("--force");
    expect((await run("erase", "--patient", "fixture/Observation/o1")).code).toBe(2);
    expect((await run("erase", "--patient", "Patient")).stderr).toContain("<source>/<Type>/<id>");
    expect((await run("erase")).code).toBe(2);
    const done = await run("erase", "--patient", "fixture/Patient/p1");
    expect(done.code).toBe(0);
    expect(done.stdout).toContain("is complete, as snapshot 18");
    expect(done.stderr).toContain("Backups made before");
    const [listed] = (await json("erase", "--list")) as { erasure: string; state: string; return: string }[];
    expect(listed).toMatchObject({ state: "complete", return: "refused" });
    expect((await run("erase", "--lift", listed!.erasure)).stdout).toContain("may come back");
    expect((await run("doctor")).code).toBe(0);
  }, 180_000);

  it("lists backups, keeps as many as asked for, and says what a place holds", async () => {
    const place = path.join(scratch, "backup");
    expect((await run("backup", place)).code).toBe(0);
    expect((await run("backup", place, "--newest", "--keep", "1")).stdout).toContain(
      "Removed 1 older backups",
    );
    expect(await json("backup", place, "--list")).toMatchObject([
      { generation: 2, snapshots: 1, newest: 17 },
    ]);
    expect((await run("restore", "--from", place)).code).toBe(4);
    expect((await run("restore", "--from", path.join(scratch, "nothing"))).code).toBe(3);
    expect((await run("restore")).code).toBe(2);
    expect((await run("migrate")).stdout).toContain("the one of this release");
  }, 180_000);
});
