import { describe, expect, it, onTestFinished } from "vitest";
import { json, scriptedServer } from "../../test/support/scripted-server.js";
import { VirtualClock } from "../../test/support/virtual-clock.js";
import { createFhirHttp } from "../http/index.js";
import { subscriptionServer } from "./server.js";

describe("writing a Subscription", () => {
  it.each(["create", "update"] as const)(
    "keeps what the server says of it out of the error, as it may repeat the header's secret (%s)",
    async (write) => {
      const diagnostics = "cannot take header 'Authorization: Bearer header-secret'";
      const outcome = {
        resourceType: "OperationOutcome",
        issue: [{ severity: "error", code: "conflict", diagnostics }],
      };
      const server = await scriptedServer(json(409, outcome));
      const http = createFhirHttp({
        baseUrl: `${server.origin}/fhir`,
        auth: { kind: "none" },
        clock: new VirtualClock(),
      });
      onTestFinished(() => http.close());
      const subscriptions = subscriptionServer(http, {
        endpointBase: "https://lake.example/notify/a/",
        tag: undefined,
      });
      const resource = { resourceType: "Subscription", id: "s1" };
      const writing =
        write === "create" ? subscriptions.create(resource) : subscriptions.update("s1", resource);
      const error = await writing.catch((thrown: unknown) => thrown as Error);
      expect(error).toMatchObject({
        code: "source/refused",
        message: expect.stringMatching(/409.*conflict/) as string,
      });
      expect(JSON.stringify(error) + String(error)).not.toContain("secret");
    },
  );
});
