import { type LookupAddress, type LookupOptions, lookup } from "node:dns";
import { lookup as lookupNow } from "node:dns/promises";
import { readFile } from "node:fs/promises";
import type { LookupFunction } from "node:net";
import { rootCertificates } from "node:tls";
import { Agent, type Dispatcher, ProxyAgent } from "undici";
import { LakeError } from "#kernel";
import { mayReach, nearestReach, type Reach, reachOf } from "./addresses.js";
import { badSettings } from "./errors.js";
import type { HttpSettings } from "./settings.js";

/** `trusted` connections show the client certificate, `plain` ones do not, `guarded` ones also refuse near addresses. */
export type Channel = "trusted" | "plain" | "guarded";

interface Pem {
  readonly ca?: string[];
  readonly cert?: string;
  readonly key?: string;
}

async function readPem(file: string, what: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "unknown";
    throw badSettings(`The ${what} '${file}' cannot be read (${code}).`, error);
  }
}

function privateAddress(url: URL): LakeError {
  return new LakeError(
    "invalid-input",
    "source/private-address",
    `The server sends us to ${url.host}, an address nearer than its own, which is not asked; if it is right, list its origin in allowedFileOrigins.`,
  );
}

/** Connections of one source: certificate authorities, client certificate, proxy, and the guard on addresses. */
export class Transport {
  private readonly settings: HttpSettings;
  private readonly base: URL;
  private readonly channels = new Map<Channel, Promise<Dispatcher>>();
  private pem: Promise<Pem> | undefined;
  private reach: Promise<Reach> | undefined;

  constructor(settings: HttpSettings, base: URL) {
    this.settings = settings;
    this.base = base;
    if ((settings.clientCertFile === undefined) !== (settings.clientKeyFile === undefined)) {
      throw badSettings("A client certificate needs both its certificate file and its key file.");
    }
    if (settings.proxyUrl !== undefined && !/^https?:\/\//i.test(settings.proxyUrl)) {
      throw badSettings("The proxy must be an http or https URL.");
    }
  }

  /** The dispatcher for a URL. Throws `source/private-address` for an IP address that the guarded channel may not reach. */
  async dispatcher(channel: Channel, url: URL): Promise<Dispatcher> {
    if (channel === "guarded") {
      const literal = reachOf(url.hostname);
      if (literal !== undefined && !mayReach(await this.baseReach(), literal)) throw privateAddress(url);
    }
    let dispatcher = this.channels.get(channel);
    if (dispatcher === undefined) {
      dispatcher = this.open(channel);
      this.channels.set(channel, dispatcher);
    }
    return await dispatcher;
  }

  async close(): Promise<void> {
    const open = [...this.channels.values()];
    this.channels.clear();
    // One that could not be opened has nothing to close; whoever wanted it was told.
    await Promise.allSettled(open.map(async (dispatcher) => (await dispatcher).destroy(null)));
  }

  private async open(channel: Channel): Promise<Dispatcher> {
    const { proxyUrl, timeoutMs = 60_000, maxConcurrency = 4 } = this.settings;
    this.pem ??= this.readFiles();
    const { ca, cert, key } = await this.pem;
    const tls = {
      ...(ca === undefined ? {} : { ca }),
      ...(channel === "trusted" && cert !== undefined ? { cert, key: key! } : {}),
    };
    const limits = { connections: Math.max(1, maxConcurrency) + 1, keepAliveTimeout: 4_000 };
    const connectTimeout = Math.min(timeoutMs, 30_000);
    // Behind a proxy names are resolved there, so only literal addresses can be guarded.
    if (proxyUrl !== undefined) {
      return new ProxyAgent({
        ...limits,
        uri: proxyUrl,
        // Plain http goes to the proxy as an absolute URL: few proxies tunnel to other ports than 443.
        proxyTunnel: false,
        requestTls: { ...tls, timeout: connectTimeout },
        ...(ca === undefined ? {} : { proxyTls: { ca } }),
      });
    }
    const guard = channel === "guarded" ? { lookup: guardedLookup(await this.baseReach()) } : {};
    return new Agent({ ...limits, connect: { ...tls, ...guard, timeout: connectTimeout } });
  }

  private async readFiles(): Promise<Pem> {
    const { caFile, clientCertFile, clientKeyFile } = this.settings;
    const ca = caFile === undefined ? undefined : await readPem(caFile, "CA file");
    const cert =
      clientCertFile === undefined ? undefined : await readPem(clientCertFile, "client certificate");
    const key =
      clientKeyFile === undefined ? undefined : await readPem(clientKeyFile, "client certificate's key");
    return {
      ...(ca === undefined ? {} : { ca: [...rootCertificates, ca] }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
    };
  }

  /** How near the base itself is. A name that cannot be resolved here (behind a proxy) counts as public. */
  private baseReach(): Promise<Reach> {
    this.reach ??= (async () => {
      const literal = reachOf(this.base.hostname);
      if (literal !== undefined) return literal;
      try {
        const found = await lookupNow(this.base.hostname, { all: true });
        return nearestReach(found.map(({ address }) => reachOf(address) ?? "public"));
      } catch {
        return "public";
      }
    })();
    return this.reach;
  }
}

/** Resolves names, leaving out addresses that may not be reached: checked where the connection is made, so a name cannot change in between. */
function guardedLookup(base: Reach): LookupFunction {
  return (hostname: string, options: LookupOptions, callback) => {
    lookup(hostname, { ...options, all: true }, (error, found: LookupAddress[]) => {
      if (error !== null) return callback(error, "", 0);
      const open = found.filter(({ address }) => mayReach(base, reachOf(address) ?? "forbidden"));
      const first = open[0];
      if (first === undefined) {
        return callback(privateAddress(new URL(`https://${hostname}`)) as NodeJS.ErrnoException, "", 0);
      }
      if (options.all === true) callback(null, open);
      else callback(null, first.address, first.family);
    });
  };
}
