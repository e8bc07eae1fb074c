import { createHmac } from "node:crypto";
import { beforeEach, describe, expect, it } from "vitest";
import { loadDefinitions } from "#fhir";
import { LakeError } from "#kernel";
import type { NewChange } from "#landing";
import { createReceiver, type DeadLetter, type Receiver, type SourceReference } from "./receiver.js";
import type { Sender } from "./sender.js";
import type { TopicStatus } from "./topic-status.js";

const sender: Sender = { source: "main", policy: "time", pathSecrets: ["current", "next"] };
const signed: Sender = { ...sender, signature: { header: "x-signature", keys: ["old key", "new key"] } };
const byVersion: Sender = { ...sender, policy: "version" };
const withHeader: Sender = { ...sender, header: { name: "authorization", values: ["Bearer a", "Bearer b"] } };

class Recorded {
  readonly changes: NewChange[] = [];
  readonly references: (readonly SourceReference[])[] = [];
  readonly missed: string[] = [];
  readonly letters: DeadLetter[] = [];
  readonly statuses: TopicStatus[] = [];
  failure: Error | undefined;

  receiver(options: { basePath?: string; maxPerSecond?: number; maxBodyBytes?: number } = {}): Receiver {
    return createReceiver({
      senders: new Map([
        ["ehr", sender],
        ["signed", signed],
        ["versions", byVersion],
        ["header", withHeader],
      ]),
      ports: {
        accept: async (changes) => {
          if (this.failure !== undefined) throw this.failure;
          this.changes.push(...changes);
        },
        fetchBack: async (_, references) => void this.references.push(references),
        missed: async (source) => void this.missed.push(source),
        deadLetter: async (letter) => void this.letters.push(letter),
        status: async (_, status) => void this.statuses.push(status),
        sequence: async () => 7,
      },
      definitions: loadDefinitions("4.0.1"),
      clock: { now: () => new Date("2026-05-01T00:00:00Z") },
      ...options,
    });
  }
}

const patient =
  '{"resourceType":"Patient","id":"p1","meta":{"versionId":"2","lastUpdated":"2026-01-01T00:00:00Z"},"multipleBirthInteger":1}';
const json = { "Content-Type": "application/fhir+json" };

describe("the endpoint of Subscriptions", () => {
  let recorded: Recorded;
  let receiver: Receiver;
  const send = async (
    method: string,
    path: string,
    body?: string,
    headers: Record<string, string> = {},
  ): Promise<number> => {
    const request = new Request(`http://lake${path}`, {
      method,
      headers: { ...json, ...headers },
      ...(body === undefined ? {} : { body }),
    });
    return (await receiver.fetch(request)).status;
  };
  beforeEach(() => {
    recorded = new Recorded();
    receiver = recorded.receiver();
  });

  it("takes a resource that is posted as it is", async () => {
    expect(await send("POST", "/ehr/current", patient)).toBe(204);
    expect(recorded.changes).toMatchObject([
      { source: "main", type: "Patient", id: "p1", kind: "U", version: "2", sequence: 7, raw: patient },
    ]);
  });

  it("takes what comes below its base path alone", async () => {
    receiver = recorded.receiver({ basePath: "/notify" });
    expect(await send("POST", "/notify/ehr/current", patient)).toBe(204);
    expect(await send("PUT", "/notify/ehr/next/Patient/p1", patient)).toBe(204);
    expect(await send("POST", "/ehr/current", patient)).toBe(404);
    expect(recorded.changes).toHaveLength(2);
  });

  it("takes PUT and DELETE on Type/id; the delete without a time is to be confirmed at the source", async () => {
    expect(await send("PUT", "/ehr/next/Patient/p1", patient)).toBe(204);
    expect(await send("DELETE", "/ehr/current/Patient/p1")).toBe(204);
    expect(recorded.changes).toHaveLength(1);
    expect(recorded.references).toEqual([[{ type: "Patient", id: "p1" }]]);
  });

  it("takes deletes told by a header and empty notifications", async () => {
    const headers = { "X-Medplum-Deleted-Resource": "Patient/p9" };
    expect(await send("POST", "/ehr/current", "{}", headers)).toBe(204);
    expect(await send("POST", "/ehr/current")).toBe(204);
    expect(recorded.references).toEqual([[{ type: "Patient", id: "p9" }]]);
    // What changed nobody says: only a run tells.
    expect(recorded.missed).toEqual(["main"]);
  });

  const DATED = { lastModified: "2026-02-01T00:00:00Z" };
  it.each([
    ["a time, by times", "ehr", DATED, 1],
    ["a version alone, by times", "ehr", { etag: 'W/"3"' }, 0],
    ["a version, by versions", "versions", { etag: 'W/"3"' }, 1],
    ["a time alone, by versions", "versions", DATED, 0],
    ["a version that is no number, by versions", "versions", { etag: 'W/"abc"', ...DATED }, 0],
  ])("takes a delete with %s, or has the source asked for its place", async (_, path, response, taken) => {
    const entry = { request: { method: "DELETE", url: "Patient/p3" }, response };
    const bundle = { resourceType: "Bundle", type: "history", entry: [entry] };
    expect(await send("POST", `/${path}/current`, JSON.stringify(bundle))).toBe(204);
    expect(recorded.changes).toHaveLength(taken);
    expect(recorded.references).toEqual(taken === 1 ? [] : [[{ type: "Patient", id: "p3" }]]);
  });

  it("takes a topic's bundle: resources, deletes, and what must be fetched", async () => {
    const bundle = {
      resourceType: "Bundle",
      type: "history",
      entry: [
        {
          resource: {
            resourceType: "Parameters",
            parameter: [
              { name: "subscription", valueReference: { reference: "https://ehr/Subscription/s1" } },
              { name: "type", valueCode: "event-notification" },
              { name: "events-since-subscription-start", valueString: "12" },
              ...["Patient/p1", "https://elsewhere/Patient/p2", "Patient/p3"].map((reference, i) => ({
                name: "notification-event",
                part: [
                  { name: "event-number", valueString: String(10 + i) },
                  { name: "focus", valueReference: { reference } },
                ],
              })),
            ],
          },
          request: { method: "GET", url: "Subscription/s1/$status" },
        },
        { resource: JSON.parse(patient) as object, request: { method: "PUT", url: "Patient/p1" } },
        {
          request: { method: "DELETE", url: "Patient/p3" },
          response: { lastModified: "2026-02-01T00:00:00Z" },
        },
      ],
    };
    expect(await send("POST", "/ehr/current", JSON.stringify(bundle))).toBe(204);
    expect(recorded.changes.map(({ kind, id }) => [kind, id])).toEqual([
      ["U", "p1"],
      ["D", "p3"],
    ]);
    expect(recorded.references).toEqual([[{ type: "Patient", id: "p2" }]]);
    expect(recorded.statuses).toMatchObject([
      { subscription: "s1", type: "event-notification", eventsSinceStart: 12 },
    ]);
    expect(recorded.statuses[0]!.events.map((event) => event.number)).toEqual([10, 11, 12]);
  });

  it.each(["handshake", "heartbeat"])("takes a %s of R4B and R5, which changes nothing", async (type) => {
    const status = {
      resourceType: "SubscriptionStatus",
      status: "active",
      type,
      eventsSinceSubscriptionStart: "3",
      subscription: { reference: "Subscription/s1" },
    };
    const bundle = { resourceType: "Bundle", type: "history", entry: [{ resource: status }] };
    expect(await send("POST", "/ehr/current", JSON.stringify(bundle))).toBe(204);
    expect(recorded.statuses).toMatchObject([{ type, eventsSinceStart: 3, status: "active", events: [] }]);
    expect([...recorded.changes, ...recorded.references]).toEqual([]);
  });

  it.each([
    ["an unknown sender", "/other/current"],
    ["a wrong secret", "/ehr/wrong"],
    ["a missing header", "/header/current"],
    ["a missing signature", "/signed/current"],
  ])("answers %s with 401 and takes nothing", async (_, path) => {
    expect(await send("POST", path, patient)).toBe(401);
    expect([...recorded.changes, ...recorded.letters]).toEqual([]);
  });

  it("accepts both secrets of a rotation in path, header and signature", async () => {
    const signature = createHmac("sha256", "new key").update(patient).digest("hex");
    expect(await send("POST", "/signed/current", patient, { "X-Signature": signature })).toBe(204);
    expect(await send("POST", "/header/next", patient, { Authorization: "Bearer b" })).toBe(204);
    expect(await send("POST", "/signed/current", `${patient} `, { "X-Signature": signature })).toBe(401);
  });

  it.each([
    ["no JSON", "POST", "/ehr/current", "nonsense", "invalid-json"],
    [
      "an unknown type",
      "POST",
      "/ehr/current",
      '{"resourceType":"Nobody","id":"1"}',
      "unknown-resource-type",
    ],
    [
      "another resource than the path names",
      "PUT",
      "/ehr/current/Patient/p2",
      patient,
      "unsupported-request",
    ],
    ["a delete of no type", "DELETE", "/ehr/current/Nobody/1", undefined, "unknown-resource-type"],
    ["a delete of no id", "DELETE", "/ehr/current/Patient/a%20b", undefined, "invalid-id"],
  ])("keeps %s as a dead letter and answers 422", async (_, method, path, body, code) => {
    expect(await send(method, path, body)).toBe(422);
    expect(recorded.letters).toMatchObject([{ source: "main", sender: "ehr", code }]);
    // What it was about is brought by a run.
    expect(recorded.missed).toEqual(["main"]);
    expect(recorded.changes).toEqual([]);
  });

  it("asks for patience when the journal cannot be written, and says nothing was taken", async () => {
    recorded.failure = new LakeError("unavailable", "events/unavailable", "no disk", { retryable: true });
    const request = new Request("http://lake/ehr/current", { method: "POST", body: patient });
    const response = await receiver.fetch(request);
    expect([response.status, response.headers.get("Retry-After")]).toEqual([503, "5"]);
  });

  it("refuses bodies over the limit and senders over their rate", async () => {
    receiver = recorded.receiver({ maxBodyBytes: 50, maxPerSecond: 2 });
    const told = { "content-length": String(patient.length) };
    expect(await send("POST", "/ehr/current", patient)).toBe(413);
    expect(await send("POST", "/ehr/current", patient, told)).toBe(413);
    const letter = { source: "main", sender: "ehr", code: "too-large" };
    expect(recorded.letters).toMatchObject([letter, letter]);
    expect(recorded.missed).toEqual(["main", "main"]);
    // Nobody knows whether its sender signed it.
    expect(await send("POST", "/signed/current", patient)).toBe(413);
    expect(recorded.letters).toHaveLength(2);
    receiver = recorded.receiver({ maxBodyBytes: 50, maxPerSecond: 1 });
    expect(await send("POST", "/ehr/current", "", { "content-length": "0" })).toBe(204);
    expect(await send("POST", "/ehr/current")).toBe(429);
    expect(await send("POST", "/header/current", "", { Authorization: "Bearer a" })).toBe(204);
  });
});
