import { afterEach, describe, expect, it } from "vitest";
import type { NewEvent, StoredEvent } from "#events";
import { changeStream } from "#landing";
import { DEAD_LETTER_PREFIX, SUBSCRIPTION_PREFIX } from "../../src/app/receive.js";
import { followEvents } from "../../src/app/subscribe/follow-state.js";
import type { FhirServer, RecordedRequest } from "../support/fhir-server/index.js";
import { FollowedLake, familiesOf, named } from "../support/followed-lake.js";

describe("polling a source", { timeout: 120_000 }, () => {
  let followed: FollowedLake;
  afterEach(() => followed?.close());

  const server = (): FhirServer => followed.server as FhirServer;
  const put = (id: string, family: string): unknown => server().store.put("Patient", id, named(id, family));
  const journal = () => followed.serving.live!.journal;
  const eventsOf = async (stream: string): Promise<StoredEvent[]> => {
    const events: StoredEvent[] = [];
    for await (const event of journal().readStream(stream)) events.push(event);
    return events;
  };
  const histories = (): RecordedRequest[] => server().requests.matching({ path: /Patient\/_history$/ });
  const looks = async (more: number): Promise<void> => {
    const before = histories().length;
    await expect.poll(() => histories().length, { timeout: 60_000 }).toBeGreaterThanOrEqual(before + more);
  };
  const families = (wanted: readonly string[]): Promise<void> =>
    expect.poll(() => followed.families(), { timeout: 60_000, interval: 50 }).toEqual(wanted);
  const tell = async (event: NewEvent): Promise<void> => {
    await journal().append({ stream: `${SUBSCRIPTION_PREFIX}main`, events: [event], expected: "any" });
  };

  it("keeps each page before it asks for the next, and after a failure goes on without taking any twice", async () => {
    followed = await FollowedLake.open({}, { poll: { every: "200ms", overlap: "5s" } }, { pageSize: 2 });
    await followed.untilState("live");
    server().faults.add({ match: { pattern: "_page=" }, fault: { kind: "status", status: 500 } });
    for (const family of ["A", "B", "C", "D", "E"]) put(family, family);
    // Newest first: the first page alone can be read.
    await families(["D", "E"]);
    await followed.untilState("error");
    await looks(2);
    expect(await eventsOf(changeStream("main"))).toHaveLength(2);
    server().faults.clear();
    await families(["A", "B", "C", "D", "E"]);
    await followed.untilState("live");
    await looks(3);
    expect(await eventsOf(changeStream("main"))).toHaveLength(5);
  });

  it("keeps a resource that cannot be stored as one dead letter and goes on with all others", async () => {
    followed = await FollowedLake.open({}, { poll: { every: "200ms", overlap: "60s" } });
    await followed.untilState("live");
    put("a", "A");
    server().store.put("Patient", "bad", '{"resourceType":"Patient","id":"bad","active":true,"active":true}');
    put("b", "B");
    await families(["A", "B"]);
    await looks(3);
    put("c", "C");
    await families(["A", "B", "C"]);
    await followed.untilState("live");
    expect((await eventsOf(`${DEAD_LETTER_PREFIX}main`)).map(({ data }) => data)).toMatchObject([
      { sender: "main", code: "duplicate-key" },
    ]);
  });

  it("says that the history is gone and then searches instead", async () => {
    followed = await FollowedLake.open({}, { poll: { every: "200ms" } });
    put("a", "A");
    await families(["A"]);
    server().faults.add({ match: { pattern: "_history" }, fault: { kind: "status", status: 404 } });
    await expect
      .poll(() => followed.state(), { timeout: 60_000, interval: 20 })
      .toMatchObject({ state: "error", reason: expect.stringContaining("history of Patient") as string });
    put("b", "B");
    await families(["A", "B"]);
    await followed.untilState("live");
  });

  it("stays in error while the source can be asked in no way, and then has all that changed", async () => {
    followed = await FollowedLake.open({}, { poll: { every: "200ms" } });
    put("a", "A");
    await families(["A"]);
    server().faults.add({ match: { pattern: "_history" }, fault: { kind: "status", status: 403 } });
    server().faults.add({ match: { pattern: "Patient\\?" }, fault: { kind: "status", status: 403 } });
    await expect
      .poll(() => followed.state(), { timeout: 60_000, interval: 20 })
      .toMatchObject({ state: "error", reason: expect.stringContaining("cannot be asked") as string });
    put("b", "B");
    server().store.delete("Patient", "a");
    await looks(1);
    expect((await followed.state()).state).toBe("error");
    server().faults.clear();
    await families(["B"]);
    await followed.untilState("live");
  });

  it("has a run make up for what may be missing at once, and polls no sooner for whatever is told of the source", async () => {
    followed = await FollowedLake.open({}, { poll: { every: "1h" } });
    await followed.untilState("live");
    const before = server().requests.all.length;
    for (let n = 0; n < 20; n++) await tell(followEvents.gone(`s${n}`));
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(server().requests.all.length).toBe(before);
    put("a", "A");
    await tell(followEvents.dirty("A delete could not be confirmed."));
    await expect
      .poll(() => followed.state(), { timeout: 60_000, interval: 20 })
      .toEqual(expect.objectContaining({ state: "catching-up", reason: "A delete could not be confirmed." }));
    await followed.untilState("live");
    expect(await followed.families()).toEqual(familiesOf(server()));
    const after = server().requests.all.length;
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(server().requests.all.length).toBe(after);
  });

  it("goes on while a run makes up for what may be missing", async () => {
    followed = await FollowedLake.open({}, { poll: { every: "200ms" } });
    await followed.untilState("live");
    // Polling reads the history, a run searches too.
    server().faults.add({ match: { pattern: "Patient\\?" }, fault: { kind: "delay", milliseconds: 6000 } });
    const held = (): boolean =>
      server()
        .requests.matching({ path: /Patient$/ })
        .at(-1)
        ?.faults.includes("delay") === true;
    await tell(followEvents.dirty("A delete could not be confirmed."));
    await expect.poll(held, { timeout: 30_000 }).toBe(true);
    server().faults.clear();
    put("a", "A");
    await families(["A"]);
    expect((await followed.state()).state).toBe("catching-up");
    await followed.untilState("live");
  });

  it("is not live while a run that makes up for what is missing fails, and tries it again before it polls next", async () => {
    followed = await FollowedLake.open({}, { poll: { every: "1h" } });
    await followed.untilState("live");
    server().faults.add({ match: { pattern: "Patient" }, fault: { kind: "status", status: 401 } });
    put("a", "A");
    await tell(followEvents.dirty("A delete could not be confirmed."));
    await followed.untilState("gap");
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect((await followed.state()).state).not.toBe("live");
    server().faults.clear();
    await followed.untilState("live");
    expect(await followed.families()).toEqual(["A"]);
  });
});
