import { createFhirHttp, type FhirHttp } from "#ingestion";
import { type CatchUp, startCatchUp } from "../../src/app/catch-up.js";
import { configuredSenders } from "../../src/app/senders.js";
import { type LakeServer, serveLake } from "../../src/app/serve.js";
import { httpSettings, type SourceDefinition } from "../../src/app/source-run/source.js";
import { followSettings } from "../../src/app/subscribe/settings.js";
import { type FhirServer, type FhirServerOptions, startFhirServer } from "./fhir-server/index.js";
import { freePort } from "./free-port.js";
import { SourceLake } from "./source-lake.js";

/** Environment with the secrets that {@link FollowedLake} configures. */
export const FOLLOW_SECRETS = {
  TEST_PATH: "path-secret-one",
  TEST_PATH_NEXT: "path-secret-two",
  TEST_HEADER: "Bearer header-secret",
  TEST_HMAC: "hmac-secret",
} as const;

/** A FHIR server with patients and a lake that follows it by its notifications, both for one test. */
export class FollowedLake {
  readonly server: Pick<FhirServer, "url"> & Partial<FhirServer>;
  readonly lake: SourceLake;
  readonly port: number;
  serving!: LakeServer;
  private http: FhirHttp | undefined;
  private catchUp: CatchUp | undefined;

  private constructor(server: FollowedLake["server"], lake: SourceLake, port: number) {
    this.server = server;
    this.lake = lake;
    this.port = port;
  }

  /** Starts both. `notifications` is the source's setting; `subscribe.endpoint` is filled in. */
  static async open(
    options: FhirServerOptions | { readonly url: string },
    notifications: Readonly<Record<string, unknown>>,
    source: Readonly<Record<string, unknown>> = {},
  ): Promise<FollowedLake> {
    const server =
      "url" in options ? options : await startFhirServer({ export: { retryAfter: 0 }, ...options });
    const port = await freePort();
    const subscribe = notifications["subscribe"] as Record<string, unknown> | undefined;
    const lake = await SourceLake.open(
      {
        url: server.url,
        kind: "search",
        types: ["Patient"],
        deletes: { policy: "history" },
        completeness: { sample: 0, counts: false },
        ...source,
        notifications: {
          ...notifications,
          ...(subscribe === undefined
            ? {}
            : { subscribe: { endpoint: `http://127.0.0.1:${port}`, ...subscribe } }),
        },
      },
      { views: true },
    );
    await lake.run();
    const followed = new FollowedLake(server, lake, port);
    await followed.start();
    return followed;
  }

  get definition(): SourceDefinition {
    return {
      name: "main",
      config: this.lake.config.sources["main"]!,
      folder: ".",
      environment: { ...process.env, ...FOLLOW_SECRETS },
    };
  }

  /** Serves and follows, after {@link stop} too. */
  async start(): Promise<void> {
    const { definition } = this;
    const http = createFhirHttp({ ...httpSettings(definition), maxAttempts: 2 });
    this.http = http;
    this.catchUp = startCatchUp(this.lake.context, new Map([["main", definition]]));
    const { catchUp } = this;
    this.serving = await serveLake(this.lake.lake, {
      host: "127.0.0.1",
      port: this.port,
      compaction: false,
      live: {
        journal: { file: `${this.lake.lake.store.location}/journal/journal.sqlite` },
        senders: configuredSenders(
          { config: this.lake.config, folder: ".", file: undefined },
          definition.environment,
        ),
        views: this.lake.context.views,
        fetchBack: {
          source: (name) => (name === "main" ? { policy: definition.config.order, http } : undefined),
          sources: ["main"],
        },
        follow: { sources: [followSettings(definition)!], catchUp },
      },
    });
  }

  /** Ends serving; the lake and the FHIR server stay. */
  async stop(): Promise<void> {
    await this.serving.close();
    await this.catchUp?.close();
    await this.http?.close();
  }

  /** Family names in the newest merged answer, sorted. */
  async families(): Promise<string[]> {
    const response = await fetch(`${this.serving.url}/views/patient_names.csv?select=family`);
    if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
    const [, ...rows] = (await response.text()).trim().split(/\r?\n/);
    return rows.sort();
  }

  /** How /freshness shows the source's changes. */
  async state(): Promise<{ state: string; reason: string | null }> {
    const response = await fetch(`${this.serving.url}/freshness`);
    const { sources } = (await response.json()) as {
      sources: { name: string; live: { state: string; reason: string | null } }[];
    };
    return sources.find(({ name }) => name === "main")!.live;
  }

  /** Resolves when the source is in that state. */
  async untilState(wanted: string, timeoutMs = 140_000): Promise<void> {
    const until = Date.now() + timeoutMs;
    for (;;) {
      const now = await this.state();
      if (now.state === wanted) return;
      if (Date.now() > until) throw new Error(`${now.state} instead of ${wanted}: ${now.reason}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async close(): Promise<void> {
    await this.stop();
    await this.lake.close();
    await this.server.close?.();
  }
}

/** A patient by one family name. */
export function named(id: string, family: string): string {
  return JSON.stringify({ resourceType: "Patient", id, name: [{ family }] });
}

/** Family names of a test server's patients, sorted. */
export function familiesOf(server: Pick<FhirServer, "store">): string[] {
  const names: string[] = [];
  for (const { text } of server.store.live("Patient")) {
    const { name } = JSON.parse(String(text!.read())) as { name: [{ family: string }] };
    names.push(name[0].family);
  }
  return names.sort();
}
