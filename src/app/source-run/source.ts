import { createHash } from "node:crypto";
import path from "node:path";
import { durationMs, isSecret, readSecret, type Secret, type SourceConfig } from "#config";
import type { AuthSettings, HttpSettings, RequestEvent } from "#ingestion";

/** A source to be read, with what its configuration's references are resolved against. */
export interface SourceDefinition {
  readonly name: string;
  readonly config: SourceConfig;
  /** Relative files of the configuration are below this folder. */
  readonly folder: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

function authSettings(source: SourceDefinition): AuthSettings {
  const { auth } = source.config;
  const secret = (reference: Secret, field: string): string =>
    readSecret(reference, `sources.${source.name}.auth.${field}`, source);
  switch (auth.kind) {
    case "none":
      return { kind: "none" };
    case "basic":
      return { kind: "basic", user: auth.user, password: secret(auth.password, "password") };
    case "bearer":
      return { kind: "bearer", token: secret(auth.token, "token") };
    case "smart-backend": {
      const { clientId, keyId, algorithm, scope, tokenUrl, jwksUrl } = auth;
      return {
        kind: "smart-backend",
        clientId,
        keyId,
        algorithm,
        privateKey: secret(auth.privateKey, "privateKey"),
        ...(scope === undefined ? {} : { scope }),
        ...(tokenUrl === undefined ? {} : { tokenUrl }),
        ...(jwksUrl === undefined ? {} : { jwksUrl }),
      };
    }
  }
}

/** How the source is asked over HTTP. Secrets are read here, at the last moment. Errors: `config/missing-secret`. */
export function httpSettings(
  source: SourceDefinition,
  more: { readonly signal?: AbortSignal; readonly onRequest?: (event: RequestEvent) => void } = {},
): HttpSettings {
  const { config } = source;
  const plain = (value: string | Secret, where: string): string =>
    isSecret(value) ? readSecret(value, `sources.${source.name}.${where}`, source) : (value as string);
  const file = (name: string): string => path.resolve(source.folder, name);
  const headers = Object.entries(config.headers).map(([name, value]) => [
    name,
    plain(value, `headers.${name}`),
  ]);
  const { tls } = config;
  return {
    baseUrl: config.url,
    auth: authSettings(source),
    headers: Object.fromEntries(headers) as Record<string, string>,
    timeoutMs: durationMs(config.requestTimeout),
    maxConcurrency: config.concurrency,
    minIntervalMs: durationMs(config.minInterval),
    maxAttempts: config.attempts,
    allowedFileOrigins: config.fileOrigins,
    ...(config.proxy === undefined ? {} : { proxyUrl: plain(config.proxy, "proxy") }),
    ...(tls?.ca === undefined ? {} : { caFile: file(tls.ca) }),
    ...(tls?.certificate === undefined ? {} : { clientCertFile: file(tls.certificate) }),
    ...(tls?.key === undefined ? {} : { clientKeyFile: file(tls.key) }),
    ...more,
  };
}

/** Of all that decides which resources the source answers with: another hash makes its watermarks void. */
export function requestHash({ config }: SourceDefinition): string {
  const { url, level, typeFilters = [] } = config;
  const text = JSON.stringify([url.replace(/\/+$/, ""), level, [...typeFilters].sort()]);
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}
