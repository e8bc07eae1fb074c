import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it } from "vitest";
import { createFhirHttp } from "./client.js";

describe("a client of a FHIR server", () => {
  it("reads JSON and keeps its bytes", async () => {
    const server = createServer((_request, response) => {
      response.setHeader("content-type", "application/fhir+json");
      response.end('{"resourceType":"Observation","valueQuantity":{"value":1.10}}');
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/fhir`;
    const http = createFhirHttp({ baseUrl, auth: { kind: "none" } });
    const answer = await http.json("GET", "Observation/1");
    expect(answer.text).toContain("1.10");
    await http.close();
    server.close();
  });
});
