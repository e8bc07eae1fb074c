import { afterEach, describe, expect, it } from "vitest";
import { resourceKey } from "#landing";
import {
  type FhirServer,
  type FhirServerOptions,
  startFhirServer,
} from "../../test/support/fhir-server/index.js";
import { createFhirHttp, type FhirHttp } from "../http/index.js";
import { checkCompleteness } from "./check-completeness.js";
import { compareContent } from "./same-content.js";

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
});

async function start(
  options: FhirServerOptions = {},
): Promise<{ server: FhirServer; http: FhirHttp; upTo: string }> {
  const server = await startFhirServer(options);
  const http = createFhirHttp({ baseUrl: server.url, auth: { kind: "none" } });
  open.push(server, http);
  for (const id of ["a", "b", "c"]) {
    server.store.put(
      "Observation",
      id,
      `{"resourceType":"Observation","id":"${id}","valueQuantity":{"value":1.10}}`,
    );
  }
  server.clock.shift(60_000);
  const upTo = new Date(server.clock.now()).toISOString();
  server.clock.shift(60_000);
  return { server, http, upTo };
}

const raw = (server: FhirServer, id: string): string =>
  server.store.current("Observation", id)!.text!.read().toString("utf8");

describe("completeness", () => {
  it("finds nothing where both sides are the same", async () => {
    const { server, http, upTo } = await start();
    const sample = ["a", "b"].map((id) => ({ type: "Observation", id, raw: raw(server, id) }));
    const found = await checkCompleteness({
      http,
      source: "s",
      lakeCounts: { Observation: 3 },
      sample,
      upTo: { Observation: upTo },
    });
    const [counts] = found.counts;
    expect(counts).toEqual({ type: "Observation", source: 3, unchanged: null, lake: 3, differs: false });
    // Equal numbers need no explanation.
    expect(server.requests.matching({ path: "/fhir/Observation" })).toHaveLength(1);
    expect(found).toMatchObject({ sampled: 2, changedSince: 0, unreadable: 0, differences: [] });
  });

  it("does not take what changed since for a difference", async () => {
    const { server, http, upTo } = await start();
    const sample = [{ type: "Observation", id: "a", raw: raw(server, "a") }];
    server.store.put("Observation", "a", '{"resourceType":"Observation","id":"a"}');
    server.store.put("Observation", "new", '{"resourceType":"Observation","id":"new"}');
    const request = { http, source: "s", sample, upTo: { Observation: upTo } };
    const found = await checkCompleteness({ ...request, lakeCounts: { Observation: 3 } });
    expect(found.counts).toEqual([{ type: "Observation", source: 4, unchanged: 2, lake: 3, differs: false }]);
    expect(found).toMatchObject({ changedSince: 1, differences: [] });
    const lost = await checkCompleteness({ ...request, lakeCounts: { Observation: 1 } });
    expect(lost.counts[0]?.differs).toBe(true);
  });

  it("names what differs by type, reason and key only", async () => {
    const { server, http, upTo } = await start();
    const sample = [
      { type: "Observation", id: "a", raw: raw(server, "a").replace("1.10", "1.1") },
      { type: "Observation", id: "b", raw: raw(server, "b") },
      { type: "Observation", id: "secret-name", raw: "{}" },
    ];
    server.store.delete("Observation", "b");
    const request = {
      http,
      source: "s",
      lakeCounts: { Observation: 9 },
      sample,
      upTo: { Observation: upTo },
    };
    const found = await checkCompleteness(request);
    expect(found.counts[0]?.differs).toBe(true);
    expect(found.differences).toEqual([
      { type: "Observation", reason: "content", key: resourceKey("s", "Observation", "a") },
      { type: "Observation", reason: "gone", key: resourceKey("s", "Observation", "b") },
      { type: "Observation", reason: "absent", key: resourceKey("s", "Observation", "secret-name") },
    ]);
    expect(JSON.stringify(found)).not.toContain("secret-name");
  });

  it("leaves out what it may not read, and counts that there are none of", async () => {
    const { server, http } = await start({
      faults: [
        { match: { path: "/fhir/Observation/a" }, fault: { kind: "status", status: 403 } },
        { match: { path: "/fhir/Observation" }, fault: { kind: "status", status: 403 } },
      ],
    });
    const found = await checkCompleteness({
      http,
      source: "s",
      lakeCounts: { Observation: 3 },
      sample: [{ type: "Observation", id: "a", raw: raw(server, "a") }],
      upTo: {},
    });
    expect(found).toMatchObject({
      counts: [{ source: null, differs: false }],
      sampled: 0,
      unreadable: 1,
      differences: [],
    });
  });
});

describe("two texts of a resource", () => {
  const same = (a: string, b: string): boolean => compareContent(a, b).same;

  it("are the same in any order of members and with any white space", () => {
    expect(same('{"id":"a","b":[1.0,{"c":1,"d":2}]}', '{ "b" : [1.0, {"d":2,"c":1}], "id":"a" }')).toBe(true);
    expect(same('{"b":[1,2]}', '{"b":[2,1]}')).toBe(false);
  });

  it("differ by digits of decimals, by escapes they do not", () => {
    expect(same('{"v":1.10}', '{"v":1.1}')).toBe(false);
    expect(same('{"v":"\\u00e9"}', '{"v":"é"}')).toBe(true);
    expect(same('{"v":"1"}', '{"v":1}')).toBe(false);
  });

  it("may differ in the parts of meta that servers write anew", () => {
    expect(same('{"meta":{"source":"#1"}}', '{"meta":{"source":"#2"}}')).toBe(true);
    expect(same("{}", '{"meta":{"versionId":"3","lastUpdated":"2026-01-01T00:00:00Z"}}')).toBe(true);
    expect(same('{"meta":{"versionId":"2"}}', '{"meta":{"versionId":"3"}}')).toBe(false);
    const at = (time: string): string => `{"meta":{"lastUpdated":"${time}"}}`;
    expect(same(at("2026-01-01T00:00:00Z"), at("2026-01-01T01:00:00.000+01:00"))).toBe(true);
    expect(same('{"meta":{"profile":["a","b"]}}', '{"meta":{"profile":["b","a"]}}')).toBe(true);
    expect(same('{"meta":{"tag":[{"code":"a"}]}}', '{"meta":{"tag":[{"code":"b"}]}}')).toBe(false);
  });
});
