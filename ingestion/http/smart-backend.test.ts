import { generateKeyPairSync } from "node:crypto";
import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from "jose";
import { describe, expect, it, onTestFinished } from "vitest";
import {
  json,
  type Received,
  type ScriptedServer,
  scriptedServer,
} from "../../test/support/scripted-server.js";
import { VirtualClock } from "../../test/support/virtual-clock.js";
import { createFhirHttp } from "./client.js";
import type { FhirHttp, SmartBackendSettings } from "./settings.js";
import { publicJwks } from "./smart-backend.js";

const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
const ec = generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey;

function settings(changes: Partial<SmartBackendSettings> = {}): SmartBackendSettings {
  return {
    kind: "smart-backend",
    clientId: "lake",
    privateKey: ec.export({ type: "pkcs8", format: "pem" }).toString(),
    keyId: "k1",
    algorithm: "ES384",
    ...changes,
  };
}

interface TokenServer extends ScriptedServer {
  readonly tokenRequests: () => Received[];
  readonly resourceRequests: () => Received[];
}

/** Discovery, tokens of `lifetime` seconds and resources; `refuse` says which of the resource requests get a 401. */
async function tokenServer(
  lifetime = 300,
  refuse: (n: number) => boolean = () => false,
): Promise<TokenServer> {
  let issued = 0;
  let asked = 0;
  const server = await scriptedServer((response, request, incoming) => {
    if (request.path === "/fhir/.well-known/smart-configuration") {
      return json(200, { token_endpoint: `${server.origin}/auth/token` })(response, request, incoming);
    }
    if (request.path === "/auth/token") {
      const body = { access_token: `t${++issued}`, token_type: "bearer", expires_in: lifetime };
      return json(200, body)(response, request, incoming);
    }
    return json(refuse(++asked) ? 401 : 200, { resourceType: "Bundle" })(response, request, incoming);
  });
  const at = (path: RegExp) => () => server.received.filter((request) => path.test(request.path));
  return {
    ...server,
    tokenRequests: at(/^\/auth\/token$/),
    resourceRequests: at(/^\/fhir\/[A-Z]/),
  };
}

function client(origin: string, auth: SmartBackendSettings, clock = new VirtualClock()): FhirHttp {
  const http = createFhirHttp({ baseUrl: `${origin}/fhir`, auth, clock, random: () => 0 });
  onTestFinished(() => http.close());
  return http;
}

describe("SMART Backend Services", () => {
  it.each([
    ["ES384", ec, "PKCS#8 PEM", ec.export({ type: "pkcs8", format: "pem" }).toString()],
    ["ES384", ec, "SEC1 PEM", ec.export({ type: "sec1", format: "pem" }).toString()],
    ["ES384", ec, "JWK", JSON.stringify(ec.export({ format: "jwk" }))],
    ["RS384", rsa, "PKCS#1 PEM", rsa.export({ type: "pkcs1", format: "pem" }).toString()],
    ["RS384", rsa, "JWK", JSON.stringify(rsa.export({ format: "jwk" }))],
  ] as const)("signs with %s, key given as %3$s", async (algorithm, _key, _form, privateKey) => {
    const server = await tokenServer();
    const clock = new VirtualClock();
    const auth = settings({
      algorithm,
      privateKey,
      scope: "system/*.read",
      jwksUrl: "https://a.example/jwks",
    });
    await client(server.origin, auth, clock).json("GET", "Patient");
    const [request] = server.tokenRequests();
    const form = new URLSearchParams(request!.body);
    expect(Object.fromEntries(form)).toMatchObject({
      grant_type: "client_credentials",
      scope: "system/*.read",
      client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    });
    const assertion = form.get("client_assertion")!;
    const jwks = (await publicJwks([{ privateKey, keyId: "k1", algorithm }])) as JSONWebKeySet;
    const { payload } = await jwtVerify(assertion, createLocalJWKSet(jwks), {
      currentDate: clock.now(),
      issuer: "lake",
      subject: "lake",
      audience: `${server.origin}/auth/token`,
      algorithms: [algorithm],
    });
    expect(decodeProtectedHeader(assertion)).toEqual({
      alg: algorithm,
      kid: "k1",
      typ: "JWT",
      jku: "https://a.example/jwks",
    });
    expect(payload.exp! - clock.now().getTime() / 1000).toBeLessThanOrEqual(300);
    expect(server.resourceRequests()[0]!.headers.authorization).toBe("Bearer t1");
  });

  it("fetches one token for all requests that wait for it", async () => {
    const server = await tokenServer();
    const http = client(server.origin, settings());
    await Promise.all(Array.from({ length: 8 }, (_, n) => http.json("GET", `Patient/${n}`)));
    expect(server.tokenRequests()).toHaveLength(1);
  });

  it("renews the token half a minute before it ends, with a new assertion", async () => {
    const server = await tokenServer(300);
    const clock = new VirtualClock();
    const http = client(server.origin, settings(), clock);
    await http.json("GET", "Patient");
    clock.advance(269_000);
    await http.json("GET", "Patient");
    expect(server.tokenRequests()).toHaveLength(1);
    clock.advance(1_000);
    await http.json("GET", "Patient");
    expect(server.resourceRequests().map(({ headers }) => headers.authorization)).toEqual([
      "Bearer t1",
      "Bearer t1",
      "Bearer t2",
    ]);
    const ids = server
      .tokenRequests()
      .map(({ body }) => decodeJwt(new URLSearchParams(body).get("client_assertion")!).jti);
    expect(new Set(ids).size).toBe(2);
  });

  it("lives with tokens of a few seconds", async () => {
    const server = await tokenServer(10);
    const clock = new VirtualClock();
    const http = client(server.origin, settings(), clock);
    await http.json("GET", "Patient");
    clock.advance(4_000);
    await http.json("GET", "Patient");
    expect(server.tokenRequests()).toHaveLength(1);
    clock.advance(1_500);
    await http.json("GET", "Patient");
    expect(server.tokenRequests()).toHaveLength(2);
  });

  it("answers a 401 once with a new token", async () => {
    const server = await tokenServer(300, (n) => n === 1);
    expect((await client(server.origin, settings()).json("GET", "Patient")).status).toBe(200);
    expect(server.tokenRequests()).toHaveLength(2);
    const refusing = await tokenServer(300, () => true);
    await expect(client(refusing.origin, settings()).json("GET", "Patient")).rejects.toMatchObject({
      code: "source/unauthorized",
    });
    expect(refusing.tokenRequests()).toHaveLength(2);
  });

  it("does not send the token or the assertion anywhere else", async () => {
    const server = await tokenServer();
    const other = await scriptedServer(json(200, {}));
    const http = client(server.origin, settings());
    await expect(http.json("GET", `${other.origin}/fhir/Patient`)).rejects.toMatchObject({
      code: "source/foreign-url",
    });
    expect(other.received).toHaveLength(0);
  });

  it("says what to check when the assertion is refused, and that clocks differ", async () => {
    const server = await scriptedServer((response, request, incoming) => {
      const discovery = { token_endpoint: `${server.origin}/auth/token` };
      if (request.path.endsWith("smart-configuration"))
        return json(200, discovery)(response, request, incoming);
      const date = "Sat, 21 Nov 2026 04:10:00 GMT";
      return json(400, { error: "invalid_client", error_description: "kid?" }, { date })(
        response,
        request,
        incoming,
      );
    });
    const failure = client(server.origin, settings()).json("GET", "Patient");
    await expect(failure).rejects.toMatchObject({
      code: "source/token",
      details: { status: 400, error: "invalid_client" },
    });
    await expect(failure).rejects.toThrow("differ by 600 s");
  });

  it("needs a key that fits the algorithm, and never shows it", () => {
    const weak = generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey;
    const wrong: readonly Partial<SmartBackendSettings>[] = [
      { privateKey: "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----" },
      { privateKey: '{"kty":"EC","d":"secret"}' },
      { algorithm: "RS384" },
      { algorithm: "RS384", privateKey: weak.export({ type: "pkcs8", format: "pem" }).toString() },
      {
        privateKey: generateKeyPairSync("ec", { namedCurve: "P-256" })
          .privateKey.export({ type: "pkcs8", format: "pem" })
          .toString(),
      },
    ];
    for (const changes of wrong) {
      const make = (): FhirHttp =>
        createFhirHttp({ baseUrl: "https://x.example/fhir", auth: settings(changes) });
      expect(make).toThrow(expect.objectContaining({ code: "source/bad-settings" }));
      expect(make).not.toThrow(/secret|c2VjcmV0/);
    }
  });

  it("refuses a token endpoint that leaves the secure connection", () => {
    const auth = settings({ tokenUrl: "http://x.example/token" });
    expect(() => createFhirHttp({ baseUrl: "https://x.example/fhir", auth })).toThrow(/not secure/);
  });

  it.each(["http://169.254.169.254/token", "file:///etc/passwd", "http://u:p@127.0.0.1/token"])(
    "sends no assertion to a token endpoint that the server names: %s",
    async (endpoint) => {
      const server = await scriptedServer(json(200, { token_endpoint: endpoint }));
      await expect(client(server.origin, settings()).json("GET", "Patient")).rejects.toMatchObject({
        code: expect.stringMatching(/^source\/(private-address|bad-settings)$/) as string,
      });
    },
  );

  it("publishes public keys only", async () => {
    const { keys } = await publicJwks([
      { privateKey: settings().privateKey, keyId: "new", algorithm: "ES384" },
      {
        privateKey: rsa.export({ type: "pkcs8", format: "pem" }).toString(),
        keyId: "old",
        algorithm: "RS384",
      },
    ]);
    expect(keys.map(({ kid, alg, kty, key_ops }) => ({ kid, alg, kty, key_ops }))).toEqual([
      { kid: "new", alg: "ES384", kty: "EC", key_ops: ["verify"] },
      { kid: "old", alg: "RS384", kty: "RSA", key_ops: ["verify"] },
    ]);
    for (const secret of ["d", "p", "q", "dp", "dq", "qi"])
      for (const key of keys) expect(key).not.toHaveProperty(secret);
  });
});
