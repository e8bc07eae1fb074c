import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import {
  CompactSign,
  exportJWK,
  exportSPKI,
  generateKeyPair,
  generateSecret,
  importJWK,
  type JSONWebKeySet,
  type JWTHeaderParameters,
  type JWTPayload,
  SignJWT,
  UnsecuredJWT,
} from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Issuer, Tokens } from "./tokens.js";

const ISSUER = "https://login.example.org/";
const AUDIENCE = "https://lake.example.org";
const NOW = new Date("2026-11-21T12:00:00Z");
const seconds = Math.floor(NOW.getTime() / 1000);

type KeyPair = Awaited<ReturnType<typeof generateKeyPair>>;
interface Parts {
  readonly header?: Partial<JWTHeaderParameters>;
  readonly payload?: Readonly<Record<string, unknown>>;
  readonly pair?: KeyPair["privateKey"];
}

let rsa: KeyPair;
let ec: KeyPair;
let foreign: KeyPair;
let next: KeyPair;
let rsaPem: string;
let server: Server;
let hits: string[];
let keySet: JSONWebKeySet;
let isDown = false;
let tokens: Tokens;
let local: Tokens;
let address: string;

const good: JWTPayload = {
  iss: ISSUER,
  aud: AUDIENCE,
  sub: "analyst-7",
  exp: seconds + 600,
  iat: seconds,
  roles: ["researcher"],
  scope: "system/Patient.rs openid",
};

async function sign({ header = {}, payload = {}, pair = rsa.privateKey }: Parts = {}): Promise<string> {
  const claims = Object.fromEntries(
    Object.entries({ ...good, ...payload }).filter(([, value]) => value !== undefined),
  );
  return await new SignJWT(claims).setProtectedHeader({ alg: "RS256", kid: "r1", ...header }).sign(pair);
}

/** The issuer's own private key, for another algorithm. */
const same = async (alg: string): Promise<KeyPair["privateKey"]> =>
  (await importJWK(await exportJWK(rsa.privateKey), alg)) as KeyPair["privateKey"];

const b64 = (value: unknown): string =>
  Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

/** A token whose header and payload are put together by hand over the signature of a good one. */
async function pieced(header: unknown, payload: unknown, signature?: string): Promise<string> {
  const own = (await sign()).split(".")[2]!;
  return `${b64(header)}.${b64(payload)}.${signature ?? own}`;
}

async function hmac(secret: string | Uint8Array, header: Partial<JWTHeaderParameters> = {}): Promise<string> {
  const key = typeof secret === "string" ? Buffer.from(secret) : secret;
  return await new SignJWT(good).setProtectedHeader({ alg: "HS256", kid: "r1", ...header }).sign(key);
}

beforeAll(async () => {
  rsa = await generateKeyPair("RS256", { extractable: true });
  ec = await generateKeyPair("ES256", { extractable: true });
  foreign = await generateKeyPair("RS256", { extractable: true });
  next = await generateKeyPair("RS256", { extractable: true });
  rsaPem = await exportSPKI(rsa.publicKey);
  const r1 = { ...(await exportJWK(rsa.publicKey)), kid: "r1", alg: "RS256", use: "sig" };
  const e1 = { ...(await exportJWK(ec.publicKey)), kid: "e1", alg: "ES256", use: "sig" };
  const secret = { ...(await exportJWK(await generateSecret("HS256", { extractable: true }))), kid: "h1" };
  keySet = { keys: [r1, e1, secret] };
  hits = [];
  server = createServer((request, response) => {
    hits.push(request.url ?? "");
    if (isDown) {
      response.writeHead(500).end();
      return;
    }
    response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(keySet));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const issuer: Issuer = {
    issuer: ISSUER,
    audience: AUDIENCE,
    keys: new URL(`${address}/keys`),
    algorithms: ["RS256", "ES256"],
    rolesClaim: "roles",
    scopesGrant: false,
    longestSeconds: 86_400,
  };
  tokens = new Tokens([issuer], () => NOW);
  local = new Tokens([{ ...issuer, keys: keySet }], () => NOW);
});

afterAll(async () => {
  await new Promise((resolve) => server.close(resolve));
});

const edited = (token: string, part: 0 | 1 | 2, change: (text: string) => string): string =>
  token
    .split(".")
    .map((piece, index) => (index === part ? change(piece) : piece))
    .join(".");

const flipped = (text: string): string => `${text.startsWith("A") ? "B" : "A"}${text.slice(1)}`;

/** Every token here must be refused. */
const refused: readonly (readonly [string, () => string | Promise<string>])[] = [
  ["no signature and alg none", () => new UnsecuredJWT(good).encode()],
  ["alg none with the signature of another token", () => pieced({ alg: "none" }, good)],
  ["alg None", () => pieced({ alg: "None" }, good, "")],
  ["alg NONE", () => pieced({ alg: "NONE", kid: "r1" }, good, "")],
  ["alg nOnE with a signature", () => pieced({ alg: "nOnE", kid: "r1" }, good)],
  ["no alg", () => pieced({ kid: "r1" }, good)],
  ["an empty alg", () => pieced({ alg: "", kid: "r1" }, good)],
  ["alg as a number", () => pieced({ alg: 256, kid: "r1" }, good)],
  ["alg as a list", () => pieced({ alg: ["RS256"], kid: "r1" }, good)],
  ["HS256 with the public key's PEM as secret", () => hmac(rsaPem)],
  ["HS256 with the PEM without its last newline", () => hmac(rsaPem.trim())],
  ["HS256 with the modulus as secret", async () => hmac((await exportJWK(rsa.publicKey)).n!)],
  ["HS256 with the key set's text as secret", () => hmac(JSON.stringify(keySet))],
  [
    "HS256 with a secret that the key set holds",
    () => hmac(Buffer.from(keySet.keys[2]!.k!, "base64url"), { kid: "h1" }),
  ],
  ["HS384", () => hmac(rsaPem, { alg: "HS384" })],
  ["HS512", () => hmac(rsaPem, { alg: "HS512" })],
  ["HS256 with an empty kid", () => hmac(rsaPem, { kid: "" })],
  [
    "an algorithm that is not configured",
    async () => sign({ header: { alg: "RS512" }, pair: await same("RS512") }),
  ],
  [
    "PS256, which is not configured",
    async () => sign({ header: { alg: "PS256" }, pair: await same("PS256") }),
  ],
  [
    "RS256 in the header over an EC signature",
    async () =>
      pieced(
        { alg: "RS256", kid: "r1" },
        good,
        (await sign({ header: { alg: "ES256", kid: "e1" }, pair: ec.privateKey })).split(".")[2]!,
      ),
  ],
  [
    "ES256 with the id of an RSA key",
    () => sign({ header: { alg: "ES256", kid: "r1" }, pair: ec.privateKey }),
  ],
  [
    "a signature of nulls for ES256",
    () => pieced({ alg: "ES256", kid: "e1" }, good, b64(Buffer.alloc(64).toString("latin1"))),
  ],
  ["somebody else's key under a known id", () => sign({ pair: foreign.privateKey })],
  [
    "somebody else's key without an id",
    () => sign({ header: { kid: undefined as never }, pair: foreign.privateKey }),
  ],
  ["an unknown key id", () => sign({ header: { kid: "r9" }, pair: foreign.privateKey })],
  [
    "a key id that is a path",
    () => sign({ header: { kid: "../../../../dev/null" }, pair: foreign.privateKey }),
  ],
  ["a key id that is SQL", () => sign({ header: { kid: "x' UNION SELECT 'key" }, pair: foreign.privateKey })],
  [
    "a key id that is an address",
    () => sign({ header: { kid: `${address}/evil` }, pair: foreign.privateKey }),
  ],
  ["a key id named __proto__", () => sign({ header: { kid: "__proto__" }, pair: foreign.privateKey })],
  ["a jku to other keys", () => sign({ header: { jku: `${address}/evil` }, pair: foreign.privateKey })],
  ["a jku beside a good signature", () => sign({ header: { jku: `${address}/evil` } })],
  [
    "an x5u to a certificate",
    () => sign({ header: { x5u: `${address}/evil.pem` }, pair: foreign.privateKey }),
  ],
  ["an x5u beside a good signature", () => sign({ header: { x5u: `${address}/evil.pem` } })],
  [
    "a jwk of its own",
    async () =>
      sign({ header: { jwk: (await exportJWK(foreign.publicKey)) as never }, pair: foreign.privateKey }),
  ],
  ["an x5c of its own", () => sign({ header: { x5c: ["MIIB"] }, pair: foreign.privateKey })],
  [
    "a crit that is not understood",
    async () =>
      await new CompactSign(Buffer.from(JSON.stringify(good)))
        .setProtectedHeader({ alg: "RS256", kid: "r1", crit: ["exp"], exp: seconds + 600 } as never)
        .sign(rsa.privateKey, { crit: { exp: true } }),
  ],
  ["a crit of nothing", () => pieced({ alg: "RS256", kid: "r1", crit: [] }, good)],
  [
    "an unencoded payload (b64)",
    async () =>
      await new CompactSign(Buffer.from("{}"))
        .setProtectedHeader({ alg: "RS256", kid: "r1", b64: false, crit: ["b64"] })
        .sign(rsa.privateKey)
        .catch(() => "a.b.c"),
  ],
  ["a typ that is no access token", () => sign({ header: { typ: "dpop+jwt" } })],
  ["the typ of a logout token", () => sign({ header: { typ: "logout+jwt" } })],
  ["another issuer", () => sign({ payload: { iss: "https://evil.example.org/" } })],
  ["the issuer without its last slash", () => sign({ payload: { iss: ISSUER.slice(0, -1) } })],
  ["an issuer that begins as ours", () => sign({ payload: { iss: `${ISSUER}evil` } })],
  ["no issuer", () => sign({ payload: { iss: undefined } })],
  ["a list of issuers", () => sign({ payload: { iss: [ISSUER] as never } })],
  ["another audience", () => sign({ payload: { aud: "https://other.example.org" } })],
  ["a list of other audiences", () => sign({ payload: { aud: ["a", "b"] } })],
  ["an empty list of audiences", () => sign({ payload: { aud: [] } })],
  ["an audience that begins as ours", () => sign({ payload: { aud: `${AUDIENCE}.evil` } })],
  ["no audience", () => sign({ payload: { aud: undefined } })],
  ["an end that is past", () => sign({ payload: { exp: seconds - 31 } })],
  ["an end long past", () => sign({ payload: { exp: 1 } })],
  ["no end", () => sign({ payload: { exp: undefined } })],
  ["an end in text", () => sign({ payload: { exp: String(seconds + 600) as never } })],
  ["an end that is no number", async () => pieced({ alg: "RS256", kid: "r1" }, { ...good, exp: null })],
  ["an end ten years off", () => sign({ payload: { exp: seconds + 315_360_000 } })],
  ["a beginning to come", () => sign({ payload: { nbf: seconds + 60 } })],
  ["a beginning in text", () => sign({ payload: { nbf: "now" as never } })],
  ["nobody's name", () => sign({ payload: { sub: undefined } })],
  ["an empty name", () => sign({ payload: { sub: "" } })],
  ["a name of many thousand characters", () => sign({ payload: { sub: "x".repeat(5000) } })],
  ["a changed payload", async () => edited(await sign(), 1, () => b64({ ...good, roles: ["admin"] }))],
  ["a changed signature", async () => edited(await sign(), 2, flipped)],
  ["a signature cut short", async () => edited(await sign(), 2, (text) => text.slice(0, -4))],
  ["no signature behind the last dot", async () => edited(await sign(), 2, () => "")],
  ["two parts", async () => (await sign()).split(".").slice(0, 2).join(".")],
  ["four parts", async () => `${await sign()}.x`],
  ["five parts, as an encrypted token has", async () => `${await sign()}.x.y`],
  ["an empty text", () => ""],
  ["dots alone", () => ".."],
  ["a payload that is no JSON", () => pieced({ alg: "RS256", kid: "r1" }, "not json")],
  ["a payload that is a list", () => pieced({ alg: "RS256", kid: "r1" }, [good])],
  ["a header that is no JSON", () => pieced("{", good)],
  ["a token larger than any should be", () => sign({ payload: { padding: "x".repeat(9000) } })],
];

describe("An access token", () => {
  it("has at least sixty ways to be wrong in this table", () => {
    expect(refused.length).toBeGreaterThanOrEqual(60);
  });

  it.each(refused)("is refused with %s", async (_name, make) => {
    const token = await make();
    for (const verifier of [tokens, local]) {
      await expect(verifier.check(token)).rejects.toMatchObject({
        code: "serving/unauthenticated",
        details: { credential: "invalid" },
      });
    }
  });

  it("that holds tells subject, roles and scopes", async () => {
    for (const verifier of [tokens, local]) {
      expect(await verifier.check(await sign())).toMatchObject({
        subject: "analyst-7",
        roles: ["researcher"],
        scopes: "system/Patient.rs openid",
        until: (seconds + 630) * 1000,
      });
    }
  });

  it.each<[string, Parts]>([
    ["by an EC key", { header: { alg: "ES256", kid: "e1" } }],
    [
      "for several audiences, one of them this",
      { payload: { aud: ["https://other.example.org", AUDIENCE] } },
    ],
    ["typed at+jwt", { header: { typ: "at+jwt" } }],
    ["typed application/at+jwt", { header: { typ: "application/at+jwt" } }],
    ["within the tolerance for clocks", { payload: { exp: seconds - 20, nbf: seconds + 20 } }],
    ["of a client without a subject", { payload: { sub: undefined, client_id: "dashboard" } }],
    ["with roles in one text", { payload: { roles: "researcher other" } }],
  ])("holds %s", async (_name, parts) => {
    const pair = parts.header?.alg === "ES256" ? ec.privateKey : rsa.privateKey;
    expect((await tokens.check(await sign({ ...parts, pair }))).roles[0]).toBe("researcher");
  });

  it("makes nobody ask an address that a token names", () => {
    expect(hits.length).toBeGreaterThan(0);
    expect(hits.every((url) => url === "/keys")).toBe(true);
  });
});

describe("The keys of an issuer", () => {
  const issuer = (): Issuer => ({
    issuer: ISSUER,
    audience: AUDIENCE,
    keys: new URL(`${address}/keys`),
    algorithms: ["RS256"],
    rolesClaim: "realm_access.roles",
    scopesGrant: false,
    longestSeconds: 86_400,
  });

  it("are told apart from a wrong token when they cannot be read", async () => {
    isDown = true;
    const verifier = new Tokens([issuer()], () => NOW);
    const token = await sign();
    await expect(verifier.check(token)).rejects.toMatchObject({ code: "serving/issuer-unavailable" });
    isDown = false;
    expect((await verifier.check(token)).subject).toBe("analyst-7");
  });

  it("may change without a restart", async () => {
    const verifier = new Tokens([issuer()], () => NOW);
    keySet = { keys: [{ ...(await exportJWK(next.publicKey)), kid: "r2", alg: "RS256", use: "sig" }] };
    const payload = { realm_access: { roles: ["reader"] } };
    const token = await sign({ header: { kid: "r2" }, pair: next.privateKey, payload });
    expect((await verifier.check(token)).roles).toEqual(["reader"]);
    await expect(verifier.check(await sign())).rejects.toMatchObject({ code: "serving/unauthenticated" });
  });
});
