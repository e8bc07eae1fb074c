import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from "jose";
import { describe, expect, it } from "vitest";
import type { FhirServer } from "./index.js";
import { closeAfterEach, exportManifest, fillWithPatients, startForTest } from "./testing.js";

closeAfterEach();

interface Client {
  readonly key: CryptoKey;
  readonly alg: string;
  readonly jwk: JWK;
}

async function client(alg: "RS384" | "ES384"): Promise<Client> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return { key: privateKey, alg, jwk: { ...(await exportJWK(publicKey)), kid: `k-${alg}`, alg } };
}

async function secured(clients: readonly Client[], tokenSeconds = 300): Promise<FhirServer> {
  return startForTest({
    auth: {
      smart: { clients: [{ clientId: "lake", jwks: { keys: clients.map(({ jwk }) => jwk) } }], tokenSeconds },
    },
  });
}

async function assertion(
  { key, alg, jwk }: Client,
  server: FhirServer,
  changes: { claims?: Record<string, unknown>; seconds?: number } = {},
): Promise<string> {
  const claims = { jti: Math.random().toString(36), ...changes.claims };
  return new SignJWT(claims)
    .setProtectedHeader({ alg, kid: jwk.kid ?? "", typ: "JWT" })
    .setIssuer("lake")
    .setSubject("lake")
    .setAudience((changes.claims?.["aud"] as string | undefined) ?? server.tokenUrl)
    .setExpirationTime(Math.floor(Date.now() / 1000) + (changes.seconds ?? 240))
    .sign(key);
}

async function token(server: FhirServer, jwt: string, changes: Record<string, string> = {}) {
  const response = await fetch(server.tokenUrl, {
    method: "POST",
    body: new URLSearchParams({
      grant_type: "client_credentials",
      scope: "system/*.rs",
      client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
      client_assertion: jwt,
      ...changes,
    }),
  });
  const body = (await response.json()) as { access_token?: string; error?: string; expires_in?: number };
  return { status: response.status, ...body };
}

describe("SMART Backend Services", () => {
  it("grants tokens to assertions signed with RS384 and ES384 and lets them export", async () => {
    const clients = [await client("RS384"), await client("ES384")];
    const server = await secured(clients);
    fillWithPatients(server, 1);
    const configuration = await fetch(`${server.url}/.well-known/smart-configuration`);
    expect(await configuration.json()).toMatchObject({ token_endpoint: server.tokenUrl });
    expect((await fetch(`${server.url}/Patient`)).status).toBe(401);
    for (const one of clients) {
      const granted = await token(server, await assertion(one, server));
      expect(granted).toMatchObject({ status: 200, expires_in: 300 });
      const headers = { authorization: `Bearer ${granted.access_token}` };
      const { manifest } = await exportManifest(`${server.url}/$export?_type=Patient`, headers);
      expect(manifest.requiresAccessToken).toBe(true);
      const file = manifest.output[0]?.url ?? "";
      expect((await fetch(file)).status).toBe(401);
      expect((await fetch(file, { headers })).status).toBe(200);
    }
  });

  it("refuses assertions that are replayed, too long, for another audience, of others or wrongly signed", async () => {
    const good = await client("ES384");
    const stranger = await client("ES384");
    const server = await secured([good]);
    const refused = async (jwt: string) => {
      const answer = await token(server, jwt);
      expect(answer).toMatchObject({ status: 401, error: "invalid_client" });
    };
    const once = await assertion(good, server);
    expect((await token(server, once)).status).toBe(200);
    await refused(once);
    await refused(await assertion(good, server, { seconds: 600 }));
    await refused(await assertion(good, server, { seconds: -10 }));
    await refused(await assertion(good, server, { claims: { aud: server.url } }));
    await refused(
      await assertion({ ...stranger, jwk: { ...stranger.jwk, kid: good.jwk.kid ?? "" } }, server),
    );
    expect((await token(server, "nonsense")).status).toBe(401);
    const jwt = await assertion(good, server);
    expect(await token(server, jwt, { scope: "patient/*.read" })).toMatchObject({
      status: 400,
      error: "invalid_scope",
    });
    expect(await token(server, jwt, { grant_type: "password" })).toMatchObject({
      error: "unsupported_grant_type",
    });
  });

  it("lets tokens expire", async () => {
    const good = await client("ES384");
    const server = await secured([good], 2);
    const granted = await token(server, await assertion(good, server));
    const read = () =>
      fetch(`${server.url}/Patient`, { headers: { authorization: `Bearer ${granted.access_token}` } });
    expect((await read()).status).toBe(200);
    server.clock.shift(2000);
    expect((await read()).status).toBe(401);
  });
});
