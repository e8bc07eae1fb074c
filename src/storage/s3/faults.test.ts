import { randomUUID } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { isLakeError, mapConcurrently } from "#kernel";
import { type Fault, type FaultyS3, startFaultyS3 } from "../../../test/support/s3-faults.js";
import { motoPython, type S3Server, s3Environment, startS3Server } from "../../../test/support/s3-server.js";
import { hashFile } from "../durable-file.js";
import { S3Store } from "./s3-store.js";
import { s3Settings } from "./settings.js";

/** For stores that meet silence; short, but longer than a busy machine takes to answer. */
const IMPATIENT_MS = 400;
const PATIENT_MS = 20_000;

/** Every way in which one try of a conditional write can go wrong. */
const FAULTS: Readonly<Record<string, Fault>> = {
  "409": { kind: "answer", status: 409, code: "ConditionalRequestConflict" },
  "500": { kind: "answer", status: 500, code: "InternalError" },
  "503": { kind: "answer", status: 503, code: "SlowDown" },
  "500 though applied": { kind: "applied-then", status: 500 },
  "timeout, not applied": { kind: "silence", applied: false },
  "timeout though applied": { kind: "silence", applied: true },
  "reset, not applied": { kind: "reset", applied: false },
  "reset though applied": { kind: "reset", applied: true },
  "500, applied later": { kind: "late", afterMs: 120 },
  slow: { kind: "slow", byMs: 60 },
};
const names = Object.keys(FAULTS);
const orders = [...names.map((a) => [a]), ...names.flatMap((a) => names.map((b) => [a, b]))];

describe.skipIf(motoPython() === undefined)("an S3 store whose server fails", () => {
  let server: S3Server;
  let proxy: FaultyS3;
  const open: S3Store[] = [];

  beforeAll(async () => {
    server = await startS3Server();
    proxy = await startFaultyS3(server.endpoint);
  });
  afterEach(async () => {
    proxy.script = () => undefined;
    await Promise.all(open.splice(0).map((store) => store.close()));
  });
  afterAll(async () => {
    await proxy.stop();
    server.stop();
  });

  async function store(endpoint: string, prefix: string, timeoutMs = PATIENT_MS): Promise<S3Store> {
    const environment = s3Environment(endpoint);
    Object.assign(process.env, environment);
    const settings = s3Settings(`s3://${server.bucket}/${prefix}`, environment);
    const made = await S3Store.open({ ...settings, timeoutMs });
    open.push(made);
    return made;
  }

  it.each([
    { rival: false, writers: "alone" },
    { rival: true, writers: "while another writes the same key" },
  ])(
    "never answers wrongly who created an object, whatever order of two faults a writer meets $writers",
    async ({ rival }) => {
      const prefix = randomUUID();
      const faulty = await store(proxy.endpoint, prefix, IMPATIENT_MS);
      const calm = await store(server.endpoint, prefix);
      const left = new Map(
        orders.map((order) => [`commits/${order.join("-").replaceAll(/[^a-z0-9-]/g, ".")}`, [...order]]),
      );
      proxy.script = ({ method, key }) => {
        const next = method === "PUT" ? left.get(key.slice(prefix.length + 1))?.shift() : undefined;
        return next === undefined ? undefined : FAULTS[next];
      };
      await mapConcurrently([...left.keys()], 10, async (key) => {
        const mine = Buffer.from(`mine ${key}`);
        const theirs = Buffer.from(`theirs ${key}`);
        const [ours, other] = await Promise.all([
          faulty.putIfAbsent(key, mine),
          rival ? calm.putIfAbsent(key, theirs) : undefined,
        ]);
        const standing = Buffer.from(await calm.get(key)).toString();
        if (!rival) expect([key, ours]).toEqual([key, "created"]);
        expect([key, ours === "created"]).toEqual([key, standing === mine.toString()]);
        if (rival) expect([key, other === "created"]).toEqual([key, standing === theirs.toString()]);
      });
    },
    120_000,
  );

  it("does not take another writer's equal bytes for its own", async () => {
    const prefix = randomUUID();
    const faulty = await store(proxy.endpoint, prefix, IMPATIENT_MS);
    const calm = await store(server.endpoint, prefix);
    expect(await calm.putIfAbsent("claim", Buffer.from("same"))).toBe("created");
    let first = true;
    proxy.script = ({ conditional }) => {
      const fault = conditional && first ? FAULTS["timeout, not applied"] : undefined;
      first = false;
      return fault;
    };
    expect(await faulty.putIfAbsent("claim", Buffer.from("same"))).toBe("exists");
  });

  it("says that the outcome is unknown when the server stays silent, and never that nothing happened", async () => {
    const faulty = await store(proxy.endpoint, randomUUID(), IMPATIENT_MS);
    proxy.script = ({ conditional }) => (conditional ? FAULTS["timeout, not applied"] : undefined);
    await expect(faulty.putIfAbsent("a", Buffer.from("x"))).rejects.toMatchObject({
      code: "storage/outcome-unknown",
      retryable: true,
    });
  });

  it("repeats reads, uploads and deletes that fail once", async () => {
    const faulty = await store(proxy.endpoint, randomUUID());
    const failedOnce = new Set<string>();
    proxy.script = ({ method, key, query }) => {
      const request = `${method} ${key} ${query.get("list-type") ?? ""}`;
      if (failedOnce.has(request)) return undefined;
      failedOnce.add(request);
      return FAULTS["503"];
    };
    const file = path.join(await faulty.stagingDirectory("t"), "f");
    await writeFile(file, "payload");
    await faulty.publish(file, "resources/f");
    await faulty.makeDurable(["resources/f"]);
    expect(await faulty.digest("resources/f")).toMatchObject({ sizeBytes: 7 });
    for await (const entry of faulty.list("resources/")) expect(entry.key).toBe("resources/f");
    await faulty.delete("resources/f");
    await expect(faulty.get("resources/f")).rejects.toMatchObject({ code: "storage/not-found" });
  });

  it("fetches again what was cut off or damaged on the way, and refuses what is damaged itself", async () => {
    const prefix = randomUUID();
    const writer = await store(server.endpoint, prefix);
    const file = path.join(await writer.stagingDirectory("t"), "f");
    await writeFile(file, "0123456789".repeat(1000));
    const expected = await hashFile(file);
    await writer.publish(file, "resources/f");
    await writer.makeDurable(["resources/f"]);

    const bad: Fault = { kind: "body", body: Buffer.from("x".repeat(10_000)) };
    const attempts: Fault[] = [{ kind: "cut" }, bad];
    proxy.script = ({ method }) => (method === "GET" ? attempts.shift() : undefined);
    const reader = await store(proxy.endpoint, prefix);
    const local = await reader.localPath("resources/f", expected);
    expect(await hashFile(local)).toEqual(expected);
    expect(attempts).toEqual([]);

    const other = await store(proxy.endpoint, prefix);
    proxy.script = ({ method }) => (method === "GET" ? bad : undefined);
    await expect(other.localPath("resources/f", expected)).rejects.toMatchObject({
      code: "storage/damaged-object",
      kind: "corrupt-data",
    });
    expect((await other.digest("resources/f")).sha256).not.toBe(expected.sha256);
  });

  it("reads a small object again when the answer broke off", async () => {
    const faulty = await store(proxy.endpoint, randomUUID());
    const bytes = Buffer.from("0123456789".repeat(100));
    await faulty.putIfAbsent("snapshots/1", bytes);
    const attempts: Fault[] = [{ kind: "cut" }, { kind: "reset", applied: false }];
    proxy.script = ({ method }) => (method === "GET" ? attempts.shift() : undefined);
    expect(Buffer.from(await faulty.get("snapshots/1"))).toEqual(bytes);
  });

  it("keeps a file whose upload failed, readable, and uploads it when asked again", async () => {
    const faulty = await store(proxy.endpoint, randomUUID());
    const file = path.join(await faulty.stagingDirectory("t"), "f");
    await writeFile(file, "payload");
    proxy.script = ({ method }) =>
      method === "PUT" ? { kind: "answer", status: 403, code: "AccessDenied" } : undefined;
    await faulty.publish(file, "resources/f");
    const failure = await faulty.makeDurable(["resources/f"]).catch((error: unknown) => error);
    expect(isLakeError(failure, "storage/access-denied")).toBe(true);
    expect(await readFile(await faulty.localPath("resources/f"), "utf8")).toBe("payload");
    proxy.script = () => undefined;
    await faulty.makeDurable(["resources/f"]);
    expect(Buffer.from(await faulty.get("resources/f")).toString()).toBe("payload");
  });

  it("takes back the parts of a large upload that fails", async () => {
    const faulty = await store(proxy.endpoint, randomUUID());
    const file = path.join(await faulty.stagingDirectory("t"), "f");
    await writeFile(file, Buffer.alloc(20 * 2 ** 20, 7));
    proxy.script = ({ query }) =>
      query.get("partNumber") === "2" ? { kind: "answer", status: 403, code: "AccessDenied" } : undefined;
    await faulty.publish(file, "resources/f");
    await expect(faulty.makeDurable(["resources/f"])).rejects.toMatchObject({
      code: "storage/access-denied",
    });
    const aborted = proxy.seen.filter(({ method, query }) => method === "DELETE" && query.has("uploadId"));
    expect(aborted).toHaveLength(1);
  });
});

describe("opening an S3 store", () => {
  const opened = async (endpoint: string, environment: Record<string, string> = {}): Promise<unknown> => {
    const variables = { ...s3Environment(endpoint), ...environment };
    Object.assign(process.env, variables);
    try {
      const made = await S3Store.open({
        ...s3Settings("s3://bucket/lake", variables),
        timeoutMs: PATIENT_MS,
      });
      await made.close();
      return "opened";
    } catch (error) {
      return isLakeError(error) ? error.code : error;
    }
  };

  it("refuses a server that ignores conditional writes", async () => {
    const careless = await startFaultyS3(undefined);
    expect(await opened(careless.endpoint)).toBe("storage/no-conditional-put");
    await careless.stop();
  });

  it("lets those read who may not write", async () => {
    const proxy = await startFaultyS3(undefined);
    proxy.script = ({ method }) =>
      method === "PUT" ? { kind: "answer", status: 403, code: "AccessDenied" } : undefined;
    expect(await opened(proxy.endpoint)).toBe("opened");
    await proxy.stop();
  });

  it.each([
    [404, "NoSuchBucket", "storage/no-such-bucket"],
    [400, "AuthorizationHeaderMalformed", "storage/wrong-region"],
    [400, "InvalidBucketName", "storage/io"],
    [500, "InternalError", "storage/unreachable"],
  ])("tells %i %s as %s", async (status, code, expected) => {
    const proxy = await startFaultyS3(undefined);
    proxy.script = () => ({ kind: "answer", status, code });
    expect(await opened(proxy.endpoint)).toBe(expected);
    await proxy.stop();
  });

  it("tells a server that does not exist", async () => {
    expect(await opened("http://127.0.0.1:1")).toBe("storage/unreachable");
  });
});
