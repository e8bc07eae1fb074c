import { mkdtemp, readdir, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, it, onTestFinished } from "vitest";
import { type Answer, cut, json, scriptedServer, status } from "../../test/support/scripted-server.js";
import { VirtualClock } from "../../test/support/virtual-clock.js";
import { createFhirHttp } from "./client.js";
import type { FhirHttp, HttpSettings } from "./settings.js";

function client(origin: string, settings: Partial<HttpSettings> = {}): FhirHttp {
  const http = createFhirHttp({
    baseUrl: `${origin}/fhir`,
    auth: { kind: "bearer", token: "secret-token" },
    clock: new VirtualClock(),
    random: () => 0,
    ...settings,
  });
  onTestFinished(() => http.close());
  return http;
}

const folder = (): Promise<string> => mkdtemp(path.join(tmpdir(), "fhir-lake-http-"));
const ok: Answer = json(200, { resourceType: "Bundle" });

describe("redirects", () => {
  it("within the origin are followed for reading", async () => {
    const server = await scriptedServer([status(307, { location: "/fhir/v2/Patient" }), ok]);
    const answer = await client(server.origin).json("GET", "Patient");
    expect(answer.url.pathname).toBe("/fhir/v2/Patient");
    expect(server.received[1]!.headers.authorization).toBe("Bearer secret-token");
  });

  it("to another origin are not followed for JSON", async () => {
    const other = await scriptedServer(ok);
    const server = await scriptedServer(status(302, { location: `${other.origin}/fhir/Patient` }));
    await expect(client(server.origin).json("GET", "Patient")).rejects.toMatchObject({
      code: "source/redirect",
    });
    expect(other.received).toHaveLength(0);
  });

  it("of what writes are not followed", async () => {
    const server = await scriptedServer(status(307, { location: "/fhir/elsewhere" }));
    const http = client(server.origin);
    await expect(http.json("POST", "$export", { body: {} })).rejects.toMatchObject({
      code: "source/redirect",
    });
    await expect(http.json("DELETE", "_jobs/1")).rejects.toMatchObject({ code: "source/redirect" });
    expect(server.received).toHaveLength(2);
  });

  it("in a circle end", async () => {
    const server = await scriptedServer(status(302, { location: "/fhir/Patient" }));
    await expect(client(server.origin).json("GET", "Patient")).rejects.toMatchObject({
      code: "source/redirect",
    });
    expect(server.received).toHaveLength(6);
  });
});

describe("downloads", () => {
  const text = '{"resourceType":"Patient","id":"1"}\n'.repeat(1000);
  const file: Answer = (response) => response.end(text);

  it("stand complete under their name, with hash and size", async () => {
    const server = await scriptedServer(file);
    const target = path.join(await folder(), "a", "Patient.ndjson");
    const done = await client(server.origin).download(`${server.origin}/f/1`, target, { authorize: true });
    expect(done.sizeBytes).toBe(text.length);
    expect(done.sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(await readFile(target, "utf8")).toBe(text);
    expect(await readdir(path.dirname(target))).toEqual(["Patient.ndjson"]);
    expect(server.received[0]!.headers).toMatchObject({
      accept: "application/fhir+ndjson",
      authorization: "Bearer secret-token",
    });
  });

  it.each(["content-encoding", "the file itself"])("are unpacked when gzip is in %s", async (where) => {
    const server = await scriptedServer((response) => {
      response.writeHead(200, where === "content-encoding" ? { "content-encoding": "gzip" } : {});
      response.end(gzipSync(text));
    });
    const target = path.join(await folder(), "x");
    await client(server.origin).download("f", target, { authorize: true });
    expect(await readFile(target, "utf8")).toBe(text);
  });

  it("are fetched again when the connection dies or the gzip is cut", async () => {
    const packed = gzipSync(text);
    const die: Answer = (response) => {
      response.writeHead(200, { "content-length": "99999" });
      response.write(text.slice(0, 500));
      setTimeout(() => response.socket?.destroy(), 10);
    };
    const half: Answer = (response) => {
      response.writeHead(200, { "content-encoding": "gzip" });
      response.end(packed.subarray(0, packed.length / 2));
    };
    const wrong: Answer = (response) => {
      response.writeHead(200, { "content-encoding": "gzip" });
      response.end(Buffer.concat([packed.subarray(0, 30), Buffer.alloc(40, 7), packed.subarray(70)]));
    };
    const server = await scriptedServer([die, half, wrong, file]);
    const target = path.join(await folder(), "x");
    await client(server.origin).download("f", target, { authorize: true });
    expect(await readFile(target, "utf8")).toBe(text);
    expect(server.received).toHaveLength(4);
  });

  it("leave nothing behind when they fail", async () => {
    const server = await scriptedServer(cut);
    const where = await folder();
    const failure = client(server.origin, { maxAttempts: 2 }).download("f", path.join(where, "x"), {
      authorize: true,
    });
    await expect(failure).rejects.toMatchObject({ code: "source/unavailable" });
    expect(await readdir(where)).toEqual([]);
  });

  it("stop at the limit of size", async () => {
    const server = await scriptedServer(file);
    const http = client(server.origin, { maxFileBytes: 1000 });
    const failure = http.download("f", path.join(await folder(), "x"), { authorize: true });
    await expect(failure).rejects.toMatchObject({ code: "source/answer-too-big" });
  });

  it("follow a redirect to another origin without credentials", async () => {
    const other = await scriptedServer(file);
    const server = await scriptedServer(status(307, { location: `${other.origin}/bucket/1?signature=s` }));
    const target = path.join(await folder(), "x");
    await client(server.origin, { headers: { "x-api-key": "key" } }).download("f", target, {
      authorize: true,
    });
    expect(await readFile(target, "utf8")).toBe(text);
    expect(server.received[0]!.headers.authorization).toBe("Bearer secret-token");
    expect(other.received[0]!.headers).not.toHaveProperty("authorization");
    expect(other.received[0]!.headers).not.toHaveProperty("x-api-key");
  });

  it("by capability URL carry no credentials, not even at home", async () => {
    const server = await scriptedServer(file);
    const http = client(server.origin, { headers: { Authorization: "Bearer own" } });
    await http.download("f", path.join(await folder(), "x"), { authorize: false });
    expect(server.received[0]!.headers).not.toHaveProperty("authorization");
  });

  it("that would need credentials elsewhere are refused", async () => {
    const other = await scriptedServer(file);
    const server = await scriptedServer(file);
    const failure = client(server.origin).download(`${other.origin}/f`, "/nowhere/x", { authorize: true });
    await expect(failure).rejects.toMatchObject({ code: "source/foreign-url" });
    expect(other.received).toHaveLength(0);
  });

  it.each([
    "http://169.254.169.254/latest/meta-data",
    "http://[::ffff:169.254.169.254]/",
    "http://0.0.0.0/x",
  ])("are never taken from %s", async (url) => {
    const server = await scriptedServer(status(302, { location: url }));
    const failure = client(server.origin).download("f", path.join(await folder(), "x"), {
      authorize: true,
    });
    await expect(failure).rejects.toMatchObject({ code: "source/private-address" });
    expect(server.received).toHaveLength(1);
  });

  it("are not taken from this machine when the server is elsewhere, by address or by name", async () => {
    const canary = await scriptedServer(file);
    const { port } = new URL(canary.origin);
    const http = createFhirHttp({
      baseUrl: "http://192.0.2.1/fhir",
      auth: { kind: "none" },
      maxAttempts: 1,
    });
    onTestFinished(() => http.close());
    for (const host of ["127.0.0.1", "localhost", "[::1]", "2130706433"]) {
      const failure = http.download(`http://${host}:${port}/x`, "/nowhere/x", { authorize: false });
      await expect(failure).rejects.toMatchObject({ code: "source/private-address" });
    }
    expect(canary.received).toHaveLength(0);
  });
});
