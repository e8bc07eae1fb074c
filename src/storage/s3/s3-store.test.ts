import { randomUUID } from "node:crypto";
import { mkdtempSync, readdirSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { CreateMultipartUploadCommand, ListMultipartUploadsCommand } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { mapConcurrently } from "#kernel";
import { motoPython, type S3Server, s3Client, startS3Server } from "../../../test/support/s3-server.js";
import { objectStoreContract } from "../object-store.contract.js";
import { openStore } from "../open-store.js";

describe.skipIf(motoPython() === undefined)("an S3 store", () => {
  let server: S3Server;
  beforeAll(async () => {
    server = await startS3Server();
    Object.assign(process.env, server.environment());
  });
  afterAll(() => server.stop());

  const locate = async (): Promise<string> => `s3://${server.bucket}/${randomUUID()}/lake`;

  objectStoreContract("S3", locate, openStore);
  objectStoreContract("S3 with a cache that holds next to nothing", locate, (place) =>
    openStore(place, { ...process.env, FHIR_LAKE_CACHE_SIZE: "100" }),
  );

  it("keeps lakes of one bucket apart, also one whose prefix begins like another's", async () => {
    const prefix = randomUUID();
    const [one, two] = [
      await openStore(`s3://${server.bucket}/${prefix}`),
      await openStore(`s3://${server.bucket}/${prefix}2`),
    ];
    await one.putIfAbsent("a/1", Buffer.from("one"));
    await two.putIfAbsent("a/1", Buffer.from("two"));
    const keys: string[] = [];
    for await (const { key } of one.list("a/")) keys.push(key);
    expect(keys).toEqual(["a/1"]);
    expect(Buffer.from(await two.get("a/1")).toString()).toBe("two");
    expect(await one.workDirectory("w")).not.toBe(await two.workDirectory("w"));
    await Promise.all([one.close(), two.close()]);
  });

  it("lists and deletes more than one page", async () => {
    const store = await openStore(await locate());
    const keys = Array.from({ length: 1105 }, (_, i) => `many/${String(i).padStart(5, "0")}`);
    await mapConcurrently(keys, 16, (key) => store.putIfAbsent(key, Buffer.from("x")));
    const listed: string[] = [];
    for await (const { key } of store.list("many/")) listed.push(key);
    expect(listed.sort()).toEqual(keys);
    await store.deleteMany(keys);
    for await (const { key } of store.list("many/")) expect(key).toBe("nothing is left");
    await store.close();
  }, 60_000);

  it("reads from another machine what was written on one, from the copy when the server is asked no more", async () => {
    const place = await locate();
    const writer = await openStore(place);
    const file = path.join(await writer.stagingDirectory("t"), "f");
    await writeFile(file, "payload");
    await writer.publish(file, "resources/f");
    await writer.makeDurable(["resources/f"]);
    const elsewhere = server.environment(mkdtempSync(path.join(tmpdir(), "fhir-lake-cache-")));
    const reader = await openStore(place, { ...process.env, ...elsewhere });
    expect(await readFile(await reader.localPath("resources/f"), "utf8")).toBe("payload");
    await writer.delete("resources/f");
    expect(await readFile(await reader.hold().localPath("resources/f"), "utf8")).toBe("payload");
    await expect(reader.digest("resources/f")).rejects.toMatchObject({ code: "storage/not-found" });
    await Promise.all([writer.close(), reader.close()]);
  });

  it("forgets, when pruned, copies of objects that another machine removed", async () => {
    const place = await locate();
    const cache = mkdtempSync(path.join(tmpdir(), "fhir-lake-cache-"));
    const here = await openStore(place, { ...process.env, ...server.environment(cache) });
    const elsewhere = await openStore(place, {
      ...process.env,
      ...server.environment(mkdtempSync(path.join(tmpdir(), "fhir-lake-cache-"))),
    });
    for (const key of ["resources/a", "resources/b"]) {
      const file = path.join(await here.stagingDirectory("t"), "f");
      await writeFile(file, "payload");
      await here.publish(file, key);
    }
    await here.makeDurable(["resources/a", "resources/b"]);
    await elsewhere.delete("resources/a");
    await here.prune(["resources/"], 0);
    const [lake] = readdirSync(cache);
    expect(readdirSync(path.join(cache, lake!, "files"))).toEqual(["resources~b"]);
    await Promise.all([here.close(), elsewhere.close()]);
  });

  it("leaves nothing but copies and work folders in its cache when it is closed", async () => {
    const cache = mkdtempSync(path.join(tmpdir(), "fhir-lake-cache-"));
    const store = await openStore(await locate(), { ...process.env, ...server.environment(cache) });
    const file = path.join(await store.stagingDirectory("t"), "f");
    await writeFile(file, "payload");
    await store.publish(file, "resources/f");
    await store.localPath("resources/f");
    await store.close();
    const [lake] = readdirSync(cache);
    expect(readdirSync(path.join(cache, lake!, "processes"))).toEqual([]);
    await rm(cache, { recursive: true });
  });

  it("removes unfinished uploads of writers that died, but only old ones of this lake", async () => {
    const prefix = randomUUID();
    const client = s3Client(server.endpoint);
    const begin = async (lake: string): Promise<void> => {
      await client.send(
        new CreateMultipartUploadCommand({ Bucket: server.bucket, Key: `${lake}/resources/x` }),
      );
    };
    const unfinished = async (): Promise<(string | undefined)[]> => {
      const page = await client.send(new ListMultipartUploadsCommand({ Bucket: server.bucket }));
      return (page.Uploads ?? []).flatMap(({ Key }) => (Key?.startsWith(prefix) === true ? [Key] : []));
    };
    await begin(prefix);
    await begin(`${prefix}2`);
    const store = await openStore(`s3://${server.bucket}/${prefix}`);
    // The server says of every unfinished upload that it began in 2010.
    await store.prune([], Date.UTC(2009));
    expect(await unfinished()).toHaveLength(2);
    await store.prune([], Date.now());
    expect(await unfinished()).toEqual([`${prefix}2/resources/x`]);
    await store.close();
    client.destroy();
  });

  it("says that credentials are missing", async () => {
    const { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret } = process.env;
    delete process.env["AWS_ACCESS_KEY_ID"];
    delete process.env["AWS_SECRET_ACCESS_KEY"];
    process.env["AWS_EC2_METADATA_DISABLED"] = "true";
    try {
      await expect(openStore(await locate())).rejects.toMatchObject({ code: "storage/no-credentials" });
    } finally {
      Object.assign(process.env, { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret });
    }
  });
});
