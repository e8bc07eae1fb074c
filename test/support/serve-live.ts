import type { Lake } from "#lake";
import { type LakeServer, type LiveServing, type ServeOptions, serveLake } from "../../src/app/serve.js";

/** The secret in the path at which source `main` notifies a server of {@link serveLive}: `/notify/main/<secret>`. */
export const NOTIFY_SECRET = "a-secret-of-this-test";

/** Serves a lake with its live side on a free port, its journal within the lake's folder. Close it. */
export async function serveLive(
  lake: Lake,
  views: LiveServing["views"],
  more: Omit<Partial<ServeOptions>, "live"> & { readonly live?: Partial<LiveServing> } = {},
): Promise<LakeServer> {
  const senders = new Map([
    ["main", { source: "main", policy: "time" as const, pathSecrets: [NOTIFY_SECRET] }],
  ]);
  return await serveLake(lake, {
    host: "127.0.0.1",
    port: 0,
    compaction: false,
    ...more,
    live: {
      journal: { file: `${lake.store.location}/journal/journal.sqlite` },
      senders,
      views,
      ...more.live,
    },
  });
}
