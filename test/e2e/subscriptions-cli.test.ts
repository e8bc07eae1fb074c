import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cli, startCli } from "../support/cli.js";
import { type FhirServer, startFhirServer } from "../support/fhir-server/index.js";
import { named } from "../support/followed-lake.js";
import { freePort } from "../support/free-port.js";

const SECRETS = { OLD: "canary-old-secret", NEW: "canary-new-secret" };

describe("Subscriptions on the command line", { timeout: 240_000 }, () => {
  let server: FhirServer;
  let dir: string;
  let config: string;
  let port: number;

  beforeAll(async () => {
    dir = mkdtempSync(path.join(tmpdir(), "fhir-lake-subscriptions-"));
    config = path.join(dir, "lake.json");
    server = await startFhirServer({ subscriptions: { kind: "rest-hook" } });
    server.store.put("Patient", "a", named("a", "A"));
    port = await freePort();
  });
  afterAll(async () => {
    await server.close();
    rmSync(dir, { recursive: true, force: true });
  });

  const configure = (...secrets: (keyof typeof SECRETS)[]): void => {
    const main = {
      url: server.url,
      types: ["Patient"],
      notifications: {
        path: secrets.map((env) => ({ env })),
        subscribe: { endpoint: `http://127.0.0.1:${port}` },
      },
    };
    writeFileSync(config, JSON.stringify({ lake: "lake", sources: { main } }));
  };
  const run = (...args: string[]) => cli([...args, "--config", config], { env: SECRETS });
  const endpoints = (): string[] =>
    [...server.store.live("Subscription")].map(({ text }) => {
      const { channel } = JSON.parse(String(text!.read())) as { channel: { endpoint: string } };
      return channel.endpoint;
    });
  const serving = async (work: () => Promise<void>): Promise<void> => {
    const args = ["serve", "--port", String(port), "--config", config];
    const { child, finished } = startCli(args, { env: SECRETS });
    const state = async (): Promise<string> => {
      const answer = await fetch(`http://127.0.0.1:${port}/freshness`).catch(() => undefined);
      if (answer?.ok !== true) return "not serving";
      const { sources } = (await answer.json()) as { sources: { name: string; live: { state: string } }[] };
      return sources.find(({ name }) => name === "main")?.live.state ?? "no source";
    };
    try {
      await expect.poll(state, { timeout: 60_000, interval: 200 }).toBe("live");
      await work();
    } finally {
      child.kill("SIGTERM");
      await finished;
    }
  };
  const shows = (...families: string[]): Promise<void> =>
    expect
      .poll(
        async () => {
          const answer = await fetch(`http://127.0.0.1:${port}/views/patient_names.csv?select=family`);
          return (await answer.text()).trim().split(/\r?\n/).slice(1).sort();
        },
        { timeout: 30_000, interval: 200 },
      )
      .toEqual(families);

  it("are compared, created, kept by serving, moved to the next secret, and removed", async () => {
    configure("OLD");
    const foreign = { resourceType: "Subscription", id: "foreign", status: "off", reason: "theirs" };
    const channel = { type: "rest-hook", endpoint: "http://127.0.0.1:9/theirs" };
    server.store.put(
      "Subscription",
      "foreign",
      JSON.stringify({ ...foreign, criteria: "Patient?", channel }),
    );

    const before = await run("subscriptions", "list");
    expect(before).toMatchObject({
      code: 8,
      stdout: expect.stringContaining("sync would create it") as string,
    });
    expect(await run("subscriptions", "sync")).toMatchObject({ code: 0 });
    await server.subscriptions.idle();
    const after = await run("subscriptions", "list", "--json");
    expect(after.code).toBe(0);
    expect(JSON.parse(after.stdout)).toMatchObject([{ source: "main", about: "Patient?", status: "active" }]);
    expect(`${before.stdout}${after.stdout}${after.stderr}`).not.toContain("canary");

    await serving(async () => {
      await shows("A");
      server.store.put("Patient", "b", named("b", "B"));
      await shows("A", "B");
      const refused = await run("subscriptions", "sync");
      expect(refused.code).not.toBe(0);
      expect(refused.stderr).toContain("keeps the Subscriptions by itself");
    });

    configure("NEW", "OLD");
    await serving(async () => {
      await expect.poll(endpoints).toContain(`http://127.0.0.1:${port}/notify/main/${SECRETS.NEW}`);
      const send = async (secret: string): Promise<number> => {
        const body = named("c", `By ${secret.length}`);
        const url = `http://127.0.0.1:${port}/notify/main/${secret}`;
        return (await fetch(url, { method: "POST", body })).status;
      };
      expect(await send(SECRETS.OLD)).toBe(204);
      expect(await send(SECRETS.NEW)).toBe(204);
      expect(await send("another")).toBe(401);
    });

    expect(await run("subscriptions", "remove")).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("1 Subscriptions removed") as string,
    });
    expect(endpoints()).toEqual([channel.endpoint]);
    expect(server.store.versions("Subscription", "foreign")).toHaveLength(1);
    expect((await run("subscriptions", "list", "mian")).stderr).toContain("no source mian");
  });
});
