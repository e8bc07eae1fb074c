import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EVERYTHING_TOPIC, type FhirServer } from "./index.js";
import { closeAfterEach, startForTest } from "./testing.js";

closeAfterEach();

interface Received {
  readonly method: string;
  readonly path: string;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: string;
}

/** A subscriber that takes everything, or answers with another status. */
class Subscriber {
  readonly received: Received[] = [];
  status = 204;
  private readonly server: Server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => {
      body += String(chunk);
    });
    request.on("end", () => {
      const { method = "", url = "", headers } = request;
      this.received.push({ method, path: url, headers, body });
      response.writeHead(this.status).end();
    });
  });
  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/hook`;
  }
  close(): void {
    this.server.closeAllConnections();
    this.server.close();
  }
}

const BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/";
const patient = (id: string, family: string): string =>
  JSON.stringify({ resourceType: "Patient", id, name: [{ family }] });

function backport(endpoint: string, content: string, channel: Record<string, unknown> = {}): string {
  return JSON.stringify({
    resourceType: "Subscription",
    status: "requested",
    reason: "test",
    criteria: EVERYTHING_TOPIC,
    channel: {
      type: "rest-hook",
      endpoint,
      payload: "application/fhir+json",
      _payload: { extension: [{ url: `${BACKPORT}backport-payload-content`, valueCode: content }] },
      ...channel,
    },
  });
}

describe("Subscriptions of the test server", () => {
  let subscriber: Subscriber;
  let endpoint: string;
  beforeEach(async () => {
    subscriber = new Subscriber();
    endpoint = await subscriber.listen();
  });
  afterEach(() => subscriber.close());

  const create = async (server: FhirServer, body: string): Promise<string> => {
    const response = await fetch(`${server.url}/Subscription`, { method: "POST", body });
    expect(response.status).toBe(201);
    const { id } = (await response.json()) as { id: string };
    await server.subscriptions.idle();
    return id;
  };
  const statusOf = async (server: FhirServer, id: string): Promise<unknown> =>
    ((await (await fetch(`${server.url}/Subscription/${id}`)).json()) as { status: string }).status;
  const events = (): { type: string; count: string; numbers: string[]; method: string | undefined }[] =>
    subscriber.received.map(({ body }) => {
      const { entry } = JSON.parse(body) as {
        entry: {
          resource: { parameter: { name: string; part?: { name: string; valueString?: string }[] }[] };
          request: { method: string };
        }[];
      };
      const parameters = entry[0]!.resource.parameter as unknown as (Record<string, string> & {
        part?: never[];
      })[];
      const value = (name: string, key: string): string =>
        String(parameters.find((parameter) => parameter["name"] === name)?.[key]);
      const parts = entry[0]!.resource.parameter.filter(({ name }) => name === "notification-event");
      return {
        type: value("type", "valueCode"),
        count: value("events-since-subscription-start", "valueString"),
        numbers: parts.map(({ part }) => part!.find(({ name }) => name === "event-number")!.valueString!),
        method: entry[1]?.request.method,
      };
    });

  it("send PUT and DELETE below the endpoint, with the headers asked for, as HAPI does", async () => {
    const server = await startForTest({ subscriptions: { kind: "rest-hook" } });
    const hook = (extension: unknown[], criteria: string): string =>
      JSON.stringify({
        resourceType: "Subscription",
        status: "requested",
        reason: "test",
        criteria,
        channel: {
          extension,
          type: "rest-hook",
          endpoint,
          payload: "application/fhir+json",
          header: ["X-Test: secret"],
        },
      });
    const deletes = {
      url: "http://hapifhir.io/fhir/StructureDefinition/subscription-send-delete-messages",
      valueBoolean: true,
    };
    const id = await create(server, hook([deletes], "Patient?family=Wanted"));
    expect(await statusOf(server, id)).toBe("active");
    server.store.put("Patient", "a", patient("a", "Wanted"));
    server.store.put("Patient", "b", patient("b", "Other"));
    server.store.delete("Patient", "a");
    await server.subscriptions.idle();
    expect(subscriber.received.map(({ method, path }) => `${method} ${path}`)).toEqual([
      "PUT /hook/Patient/a",
      "DELETE /hook/Patient/a",
    ]);
    expect(subscriber.received[0]!.headers["x-test"]).toBe("secret");
    const refused = await fetch(`${server.url}/Subscription`, {
      method: "POST",
      body: hook([], "Nonsense?!"),
    });
    expect(refused.status).toBe(400);
  });

  it("shake hands, count events, beat and answer $status and $events, as the Backport guide says", async () => {
    const server = await startForTest({ subscriptions: { kind: "r4-topics", secondMs: 20 } });
    const heartbeat = { url: `${BACKPORT}backport-heartbeat-period`, valueUnsignedInt: 3 };
    const id = await create(server, backport(endpoint, "id-only", { extension: [heartbeat] }));
    expect(await statusOf(server, id)).toBe("active");
    server.store.put("Patient", "a", patient("a", "A"));
    await server.subscriptions.idle();
    server.store.delete("Patient", "a");
    await server.subscriptions.idle();
    const beats = (): string[] =>
      events().flatMap(({ type, count }) => (type === "heartbeat" ? [count] : []));
    await expect.poll(beats, { timeout: 10_000 }).toContain("2");
    expect(events().filter(({ type }) => type !== "heartbeat")).toEqual([
      { type: "handshake", count: "0", numbers: [], method: undefined },
      { type: "event-notification", count: "1", numbers: ["1"], method: "PUT" },
      { type: "event-notification", count: "2", numbers: ["2"], method: "DELETE" },
    ]);
    const status = (await (await fetch(`${server.url}/Subscription/$status?id=${id}`)).json()) as {
      type: string;
      entry: { resource: { resourceType: string } }[];
    };
    expect(status.type).toBe("searchset");
    expect(status.entry[0]!.resource.resourceType).toBe("Parameters");
    const past = await fetch(
      `${server.url}/Subscription/${id}/$events?eventsSinceNumber=2&eventsUntilNumber=2`,
    );
    expect(((await past.json()) as { entry: unknown[] }).entry).toHaveLength(2);
  });

  it("go to error when the subscriber fails, count on, and come back when asked", async () => {
    const server = await startForTest({ subscriptions: { kind: "r4-topics", tries: 1, failuresToError: 2 } });
    const id = await create(server, backport(endpoint, "empty"));
    subscriber.status = 500;
    for (const family of ["A", "B", "C"]) {
      server.store.put("Patient", "a", patient("a", family));
      await server.subscriptions.idle();
    }
    expect(await statusOf(server, id)).toBe("error");
    expect(subscriber.received).toHaveLength(3);
    subscriber.status = 200;
    const resource = (await (await fetch(`${server.url}/Subscription/${id}`)).json()) as object;
    await fetch(`${server.url}/Subscription/${id}`, {
      method: "PUT",
      body: JSON.stringify({ ...resource, status: "requested" }),
    });
    await server.subscriptions.idle();
    expect(await statusOf(server, id)).toBe("active");
    expect(events().at(-1)).toMatchObject({ type: "handshake", count: "3" });
  });

  it("lose, repeat and reorder notifications as told", async () => {
    const server = await startForTest({ subscriptions: { kind: "r4-topics" } });
    await create(server, backport(endpoint, "full-resource"));
    const fates = ["drop", "twice", "later", "deliver"] as const;
    server.subscriptions.fate = (notice) =>
      notice.kind === "event-notification" ? (fates[notice.events[0]!.number - 1] ?? "deliver") : "deliver";
    for (const family of ["A", "B", "C", "D"]) server.store.put("Patient", "a", patient("a", family));
    await server.subscriptions.idle();
    expect(events().flatMap(({ numbers }) => numbers)).toEqual(["2", "2", "4", "3"]);
  });

  it.each(["r4b-topics", "r5-topics"] as const)("speak %s with SubscriptionStatus", async (kind) => {
    const server = await startForTest({ subscriptions: { kind } });
    const r5 = JSON.stringify({
      resourceType: "Subscription",
      status: "requested",
      topic: EVERYTHING_TOPIC,
      channelType: { code: "rest-hook" },
      endpoint,
      content: "id-only",
      contentType: "application/fhir+json",
      filterBy: [{ resourceType: "Patient", filterParameter: "family", value: "Wanted" }],
    });
    await create(server, kind === "r5-topics" ? r5 : backport(endpoint, "id-only"));
    server.store.put("Patient", "a", patient("a", "Wanted"));
    await server.subscriptions.idle();
    const bundle = JSON.parse(subscriber.received[1]!.body) as {
      type: string;
      entry: { resource: Record<string, unknown> }[];
    };
    expect(bundle.type).toBe(kind === "r5-topics" ? "subscription-notification" : "history");
    expect(bundle.entry[0]!.resource).toMatchObject({
      resourceType: "SubscriptionStatus",
      eventsSinceSubscriptionStart: "1",
      notificationEvent: [{ eventNumber: "1" }],
    });
  });

  it("sign, and tell deletes by a header, as Medplum does", async () => {
    const server = await startForTest({ subscriptions: { kind: "medplum" } });
    const hook = (extension: unknown[]): string =>
      JSON.stringify({
        resourceType: "Subscription",
        status: "active",
        reason: "test",
        criteria: "Patient",
        extension,
        channel: { type: "rest-hook", endpoint, payload: "application/fhir+json" },
      });
    const interaction = "https://medplum.com/fhir/StructureDefinition/subscription-supported-interaction";
    const secret = "https://www.medplum.com/fhir/StructureDefinition/subscription-secret";
    await create(server, hook([{ url: secret, valueString: "s" }]));
    await create(server, hook([{ url: interaction, valueCode: "delete" }]));
    server.store.put("Patient", "a", patient("a", "A"));
    server.store.delete("Patient", "a");
    await server.subscriptions.idle();
    expect(subscriber.received.map(({ method, body }) => [method, body.length > 2])).toEqual([
      ["POST", true],
      ["POST", false],
    ]);
    expect(subscriber.received[0]!.headers["x-signature"]).toMatch(/^[0-9a-f]{64}$/);
    expect(subscriber.received[1]!.headers["x-medplum-deleted-resource"]).toBe("Patient/a");
  });
});
