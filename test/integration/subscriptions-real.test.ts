import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FollowedLake, named } from "../support/followed-lake.js";
import { type RealServer, realServerSkip, startRealServer } from "../support/real-server.js";

const skip = realServerSkip();

describe.skipIf(skip !== undefined)(
  `rest-hook Subscriptions of HAPI${skip === undefined ? "" : ` (skipped: ${skip})`}`,
  () => {
    let hapi: RealServer;
    let followed: FollowedLake;

    const write = async (method: "PUT" | "DELETE", id: string, family = ""): Promise<void> => {
      const response = await fetch(`${hapi.url}/Patient/${id}`, {
        method,
        ...(method === "PUT"
          ? { body: named(id, family), headers: { "content-type": "application/fhir+json" } }
          : {}),
      });
      expect(response.ok, await response.text()).toBe(true);
    };
    const shows = (...families: string[]): Promise<void> =>
      expect.poll(() => followed.families(), { timeout: 30_000, interval: 50 }).toEqual(families);
    const subscriptions = async (): Promise<{ id: string; status: string }[]> => {
      const response = await fetch(`${hapi.url}/Subscription`, { headers: { "cache-control": "no-cache" } });
      const { entry = [] } = (await response.json()) as {
        entry?: { resource: { id: string; status: string } }[];
      };
      return entry.map(({ resource }) => resource);
    };

    beforeAll(async () => {
      hapi = await startRealServer();
      await write("PUT", "before", "Before");
      followed = await FollowedLake.open(
        { url: hapi.url },
        {
          path: [{ env: "TEST_PATH" }],
          header: { name: "Authorization", values: [{ env: "TEST_HEADER" }] },
          // No run after the first: what is seen came by notifications.
          subscribe: { kind: "rest-hook", catchUpEvery: "1d" },
        },
      );
      await followed.untilState("live", 60_000);
    }, 420_000);
    afterAll(async () => {
      await followed?.close();
      await hapi?.close();
    }, 60_000);

    it("are created by this lake and bring creates, updates and deletes into a view", async () => {
      expect((await subscriptions()).map(({ status }) => status)).toEqual(["active"]);
      await shows("Before");
      await write("PUT", "a", "A");
      await shows("A", "Before");
      await write("PUT", "a", "A changed");
      await shows("A changed", "Before");
      await write("DELETE", "a");
      await shows("Before");
      await write("PUT", "a", "A again");
      await shows("A again", "Before");
    }, 120_000);

    it("stay the only one over a restart, and what was written meanwhile is caught up with", async () => {
      const before = await subscriptions();
      await followed.stop();
      await write("PUT", "b", "B");
      await write("DELETE", "before");
      await followed.start();
      await shows("A again", "B");
      await followed.untilState("live", 60_000);
      expect(await subscriptions()).toEqual(before);
      await write("PUT", "c", "C");
      await shows("A again", "B", "C");
    }, 180_000);
  },
);
