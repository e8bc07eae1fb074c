import { readFileSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { createServer, request as forward } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import type { TLSSocket } from "node:tls";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { type Certificates, makeCertificates } from "../../test/support/certificates.js";
import { json, type ScriptedServer, scriptedServer } from "../../test/support/scripted-server.js";
import { createFhirHttp } from "./client.js";
import type { FhirHttp, HttpSettings } from "./settings.js";

let pem: Certificates;
beforeAll(() => {
  pem = makeCertificates();
});

const ok = json(200, { resourceType: "CapabilityStatement" });

function client(origin: string, settings: Partial<HttpSettings> = {}): FhirHttp {
  const http = createFhirHttp({
    baseUrl: `${origin}/fhir`,
    auth: { kind: "bearer", token: "secret" },
    maxAttempts: 1,
    ...settings,
  });
  onTestFinished(() => http.close());
  return http;
}

function tlsServer(answer = ok, demandCertificate = false): Promise<ScriptedServer> {
  return scriptedServer(answer, {
    cert: pem.serverCert,
    key: pem.serverKey,
    ...(demandCertificate
      ? { ca: readFileSync(pem.caFile), requestCert: true, rejectUnauthorized: true }
      : {}),
  });
}

describe("TLS", () => {
  it("takes servers of a private authority when its certificate is given, and only then", async () => {
    const server = await tlsServer();
    await expect(client(server.origin).json("GET", "metadata")).rejects.toMatchObject({ code: "source/tls" });
    expect(server.received).toHaveLength(0);
    const answer = await client(server.origin, { caFile: pem.caFile }).json("GET", "metadata");
    expect(answer.status).toBe(200);
  });

  it("does not take a certificate for another name", async () => {
    const server = await tlsServer();
    const { port } = new URL(server.origin);
    const failure = client(`https://localhost:${port}`, { caFile: pem.caFile }).json("GET", "metadata");
    await expect(failure).rejects.toMatchObject({
      code: "source/tls",
      details: { code: "ERR_TLS_CERT_ALTNAME_INVALID" },
    });
  });

  it("shows a client certificate to a server that demands one", async () => {
    const server = await tlsServer(ok, true);
    const { caFile, clientCertFile, clientKeyFile } = pem;
    await expect(client(server.origin, { caFile }).json("GET", "metadata")).rejects.toMatchObject({
      code: expect.stringMatching(/^source\/(tls|unavailable)$/) as string,
    });
    const http = client(server.origin, { caFile, clientCertFile, clientKeyFile });
    expect((await http.json("GET", "metadata")).status).toBe(200);
  });

  it("does not show the client certificate to the origin that a file's link leads to", async () => {
    const shown: boolean[] = [];
    const other = await scriptedServer(
      (response, _request, incoming) => {
        shown.push(Object.keys((incoming.socket as TLSSocket).getPeerCertificate()).length > 0);
        response.end("{}\n");
      },
      { cert: pem.serverCert, key: pem.serverKey, requestCert: true, rejectUnauthorized: false },
    );
    const server = await tlsServer(ok, true);
    const { caFile, clientCertFile, clientKeyFile } = pem;
    const http = client(server.origin, { caFile, clientCertFile, clientKeyFile });
    const target = path.join(await mkdtemp(path.join(tmpdir(), "fhir-lake-tls-")), "x");
    await http.download(`${other.origin}/f`, target, { authorize: false });
    expect(shown).toEqual([false]);
  });

  it("says which file cannot be read", async () => {
    const failure = client("https://127.0.0.1:1", { caFile: "/nowhere/ca.pem" }).json("GET", "metadata");
    await expect(failure).rejects.toMatchObject({ code: "source/bad-settings" });
    await expect(failure).rejects.toThrow("/nowhere/ca.pem");
  });

  it("does not let a secure server send us to an insecure one", async () => {
    const plain = await scriptedServer(ok);
    const server = await tlsServer((response) => {
      response.writeHead(302, { location: `${plain.origin}/x` });
      response.end();
    });
    const http = client(server.origin, { caFile: pem.caFile });
    await expect(http.download("f", "/nowhere/x", { authorize: true })).rejects.toMatchObject({
      code: "source/redirect",
    });
    await expect(
      http.download(`${plain.origin}/x`, "/nowhere/x", { authorize: false }),
    ).rejects.toMatchObject({ code: "source/foreign-url" });
    expect(plain.received).toHaveLength(0);
  });
});

/** A proxy that keeps what it was asked for, by request or by tunnel. */
async function startProxy(): Promise<{ readonly url: string; readonly asked: string[] }> {
  const asked: string[] = [];
  const proxy = createServer((incoming, response) => {
    asked.push(`${incoming.method} ${incoming.url} ${incoming.headers["proxy-authorization"] ?? ""}`);
    incoming.pipe(
      forward(incoming.url!, { method: incoming.method, headers: incoming.headers }, (answer) => {
        response.writeHead(answer.statusCode!, answer.headers);
        answer.pipe(response);
      }),
    );
  });
  proxy.on("connect", (incoming, socket) => {
    asked.push(`CONNECT ${incoming.headers["proxy-authorization"] ?? ""}`);
    const [host, port] = incoming.url!.split(":");
    const upstream = connect(Number(port), host, () => {
      socket.write("HTTP/1.1 200 Connection Established\r\n\r\n");
      upstream.pipe(socket).pipe(upstream);
    });
    upstream.on("error", () => socket.destroy());
    socket.on("error", () => upstream.destroy());
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    proxy.closeAllConnections();
    proxy.close();
  });
  return { url: `http://ada:pass@127.0.0.1:${(proxy.address() as AddressInfo).port}`, asked };
}

describe("a proxy", () => {
  const login = `Basic ${Buffer.from("ada:pass").toString("base64")}`;

  it("is asked for plain http by URL, with its own credentials", async () => {
    const server = await scriptedServer(ok);
    const proxy = await startProxy();
    await client(server.origin, { proxyUrl: proxy.url }).json("GET", "metadata");
    expect(proxy.asked).toEqual([`GET ${server.origin}/fhir/metadata ${login}`]);
    expect(server.received[0]!.headers.authorization).toBe("Bearer secret");
  });

  it("tunnels https, so that it sees nothing", async () => {
    const server = await tlsServer();
    const proxy = await startProxy();
    const http = client(server.origin, { proxyUrl: proxy.url, caFile: pem.caFile });
    expect((await http.json("GET", "metadata")).status).toBe(200);
    expect(proxy.asked).toEqual([`CONNECT ${login}`]);
  });

  it("of the environment is not used", async () => {
    const before = process.env["HTTP_PROXY"];
    process.env["HTTP_PROXY"] = "http://127.0.0.1:1";
    onTestFinished(() => {
      if (before === undefined) delete process.env["HTTP_PROXY"];
      else process.env["HTTP_PROXY"] = before;
    });
    const server = await scriptedServer(ok);
    expect((await client(server.origin).json("GET", "metadata")).status).toBe(200);
  });
});
