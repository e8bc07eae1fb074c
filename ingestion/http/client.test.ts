import { gzipSync } from "node:zlib";
import { describe, expect, it, onTestFinished } from "vitest";
import { type Answer, cut, json, scriptedServer, status } from "../../test/support/scripted-server.js";
import { VirtualClock } from "../../test/support/virtual-clock.js";
import { createFhirHttp } from "./client.js";
import type { FhirHttp, HttpSettings, RequestEvent } from "./settings.js";

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

const ok: Answer = json(200, { resourceType: "Bundle" });
const outcome = (code: string, diagnostics: string): unknown => ({
  resourceType: "OperationOutcome",
  issue: [{ severity: "error", code, diagnostics }],
});

describe("a client's JSON requests", () => {
  it("keep the bytes, so that no decimal is rounded", async () => {
    const text = '{"resourceType":"Observation","valueQuantity":{"value":1.10}}';
    const server = await scriptedServer((response) => response.end(text));
    const answer = await client(server.origin).json("GET", "Observation/1");
    expect(answer.text).toBe(text);
    expect(answer.bytes.equals(Buffer.from(text))).toBe(true);
  });

  it("unpack gzip", async () => {
    const server = await scriptedServer((response) => {
      response.writeHead(200, { "content-encoding": "gzip" });
      response.end(gzipSync('{"resourceType":"Bundle"}'));
    });
    const answer = await client(server.origin).json("GET", "Patient");
    expect(answer.body).toEqual({ resourceType: "Bundle" });
    expect(server.received[0]!.headers["accept-encoding"]).toBe("gzip");
  });

  it("stay below the base, whatever slashes the path starts with", async () => {
    const server = await scriptedServer(ok);
    const http = client(server.origin);
    await http.json("GET", "/metadata", { query: { _format: "json", _type: ["A", "B"] } });
    expect(server.received[0]!.path).toBe("/fhir/metadata?_format=json&_type=A&_type=B");
  });

  it.each([408, 429, 500, 502, 503, 504])("are tried again after status %i", async (code) => {
    const server = await scriptedServer([status(code), ok]);
    const http = client(server.origin);
    expect((await http.json("GET", "Patient")).status).toBe(200);
    expect(http.statistics).toMatchObject({ requests: 2, retries: 1 });
  });

  it("are tried again after a cut connection, also in the middle of the body", async () => {
    const half: Answer = (response) => {
      response.writeHead(200, { "content-length": "100" });
      response.write('{"resourceType":');
      setTimeout(() => response.socket?.destroy(), 10);
    };
    const server = await scriptedServer([cut, half, ok]);
    expect((await client(server.origin).json("GET", "Patient")).status).toBe(200);
  });

  it("are tried again after an answer that is no HTTP", async () => {
    const garbled: Answer = (response) =>
      response.socket?.end("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}");
    const server = await scriptedServer([garbled, ok]);
    expect((await client(server.origin).json("GET", "Patient")).status).toBe(200);
  });

  it.each([
    ["17", 17_000],
    ["Sat, 21 Nov 2026 04:02:00 GMT", 120_000],
    ["18000", 300_000],
    [String(Date.parse("2026-11-21T04:00:00Z") + 40_000), 40_000],
    ["tomorrow", 1000],
    ["0", 1000],
  ])("wait as 'Retry-After: %s' says: %i ms", async (retryAfter, expected) => {
    const clock = new VirtualClock();
    const server = await scriptedServer([status(429, { "retry-after": retryAfter }), ok]);
    await client(server.origin, { clock }).json("GET", "Patient");
    expect(clock.now().getTime() - Date.parse("2026-11-21T04:00:00.000Z")).toBe(expected);
  });

  it("wait longer after each failure and end with the server's word for it", async () => {
    const clock = new VirtualClock();
    const server = await scriptedServer(json(503, outcome("lock-error", "busy with Mrs Canary")));
    const failure = client(server.origin, { clock, maxAttempts: 4 }).json("GET", "Patient?name=Canary");
    await expect(failure).rejects.toMatchObject({
      code: "source/unavailable",
      retryable: true,
      details: { status: 503, issues: [{ severity: "error", code: "lock-error" }] },
    });
    await expect(failure).rejects.not.toThrow(/Canary/);
    expect(server.received).toHaveLength(4);
    expect(clock.waits.filter((ms) => ms > 0).slice(0, 3)).toEqual([1000, 2000, 4000]);
  });

  it("are not tried again when the server refuses them", async () => {
    const server = await scriptedServer(json(400, outcome("invalid", "Unknown parameter _until")));
    const http = client(server.origin);
    const quiet = http.json("GET", "$export");
    await expect(quiet).rejects.toMatchObject({ code: "source/refused" });
    await expect(quiet).rejects.not.toThrow(/_until/);
    await expect(http.json("GET", "$export", { echoDiagnostics: true })).rejects.toThrow(/_until/);
    expect(server.received).toHaveLength(2);
  });

  it("name neither ids nor queries in errors and events", async () => {
    const events: RequestEvent[] = [];
    const server = await scriptedServer(status(404));
    const http = client(server.origin, { onRequest: (event) => events.push(event) });
    const failure = http.json("GET", "Patient/canary-id/_history?since=canary");
    await expect(failure).rejects.toThrow("GET Patient/[id]/_history");
    await expect(failure).rejects.not.toThrow(/canary/);
    expect(JSON.stringify(events)).not.toMatch(/canary|secret/);
    expect(events).toMatchObject([{ method: "GET", target: "Patient/[id]/_history", status: 404 }]);
  });

  it("give back statuses that are asked for, also such as pass", async () => {
    const server = await scriptedServer(json(429, outcome("throttled", "slow down")));
    const answer = await client(server.origin).json("GET", "_jobs/1", { expect: [200, 202, 429] });
    expect(answer.status).toBe(429);
    expect(server.received).toHaveLength(1);
  });

  it("refuse a page that is no JSON, after trying again", async () => {
    const page: Answer = (response) => response.end("<html>Please log in</html>");
    const server = await scriptedServer(page);
    const failure = client(server.origin, { maxAttempts: 2 }).json("GET", "metadata");
    await expect(failure).rejects.toMatchObject({ code: "source/not-json" });
    expect(server.received).toHaveLength(2);
  });

  it("stop reading beyond the limit of size, also of what is packed", async () => {
    const bomb: Answer = (response) => {
      response.writeHead(200, { "content-encoding": "gzip" });
      response.end(gzipSync(Buffer.alloc(20_000_000, 0x20)));
    };
    const server = await scriptedServer(bomb);
    const http = client(server.origin, { maxJsonBytes: 1_000_000 });
    await expect(http.json("GET", "Patient")).rejects.toMatchObject({ code: "source/answer-too-big" });
    expect(server.received).toHaveLength(1);
  });

  it("never run more at once than allowed", async () => {
    const slow: Answer = async (response, request, incoming) => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      await ok(response, request, incoming);
    };
    const server = await scriptedServer(slow);
    const http = client(server.origin, { maxConcurrency: 3 });
    await Promise.all(Array.from({ length: 12 }, (_, n) => http.json("GET", `Patient/${n}`)));
    expect(server.most()).toBe(3);
  });

  it("stop when they are told to", async () => {
    const controller = new AbortController();
    const server = await scriptedServer(() => controller.abort());
    const http = client(server.origin, { signal: controller.signal });
    await expect(http.json("GET", "Patient")).rejects.toMatchObject({ code: "source/aborted" });
  });

  it("give up on a server that says nothing", async () => {
    const server = await scriptedServer(() => undefined);
    const http = client(server.origin, { timeoutMs: 500, maxAttempts: 1 });
    await expect(http.json("GET", "Patient")).rejects.toMatchObject({
      code: "source/unavailable",
      details: { code: "UND_ERR_HEADERS_TIMEOUT" },
    });
  });
});

describe("credentials", () => {
  it("go to the base's origin only, and own headers likewise", async () => {
    const other = await scriptedServer(ok);
    const server = await scriptedServer(ok);
    const http = client(server.origin, {
      headers: { "X-Api-Key": "key" },
      allowedFileOrigins: [other.origin],
    });
    await http.json("GET", `${server.origin}/elsewhere`);
    await http.json("GET", `${other.origin}/fhir/Patient`);
    expect(server.received[0]!.headers).toMatchObject({
      authorization: "Bearer secret-token",
      "x-api-key": "key",
    });
    expect(other.received[0]!.headers).not.toHaveProperty("authorization");
    expect(other.received[0]!.headers).not.toHaveProperty("x-api-key");
  });

  it.each([
    "http://127.0.0.1.evil.example/fhir/x",
    "https://user@127.0.0.1/fhir",
    "file:///etc/passwd",
    "ftp://127.0.0.1/x",
    "data:text/plain,x",
  ])("and requests do not go to %s", async (url) => {
    const server = await scriptedServer(ok);
    await expect(client(server.origin).json("GET", url)).rejects.toMatchObject({
      code: "source/foreign-url",
    });
  });

  it("of basic authentication are encoded as RFC 7617 says", async () => {
    const server = await scriptedServer(ok);
    const http = client(server.origin, { auth: { kind: "basic", user: "ada", password: "ä:b" } });
    await http.json("GET", "metadata");
    const sent = server.received[0]!.headers.authorization!;
    expect(Buffer.from(sent.replace("Basic ", ""), "base64").toString()).toBe("ada:ä:b");
  });

  it("that cannot stand in a header are refused without being named", () => {
    const make = (): FhirHttp =>
      createFhirHttp({ baseUrl: "http://x.example", auth: { kind: "bearer", token: "a\nsecret" } });
    expect(make).toThrow(expect.objectContaining({ code: "source/bad-settings" }));
    expect(make).not.toThrow(/secret/);
  });

  it("that are refused end the request with advice", async () => {
    const server = await scriptedServer(status(401));
    await expect(client(server.origin).json("GET", "Patient")).rejects.toMatchObject({
      code: "source/unauthorized",
    });
    expect(server.received).toHaveLength(1);
  });
});

describe("settings", () => {
  it.each([
    "",
    "example.org/fhir",
    "ftp://example.org",
    "https://user:secret@example.org/fhir",
    "https://example.org/fhir?x=1",
  ])("refuse '%s' as a base", (baseUrl) => {
    expect(() => createFhirHttp({ baseUrl, auth: { kind: "none" } })).toThrow(
      expect.objectContaining({ code: "source/bad-settings" }),
    );
  });

  it("refuse an origin with a path, and a proxy that is none", () => {
    const base = { baseUrl: "https://example.org/fhir", auth: { kind: "none" } } as const;
    expect(() => createFhirHttp({ ...base, allowedFileOrigins: ["https://a.example/x"] })).toThrow(
      /no origin/,
    );
    expect(() => createFhirHttp({ ...base, proxyUrl: "socks5://p" })).toThrow(/proxy/);
    expect(() => createFhirHttp({ ...base, clientCertFile: "x" })).toThrow(/both/);
    expect(() => createFhirHttp({ ...base, maxConcurrency: 0 })).toThrow(/concurrency/);
  });
});
