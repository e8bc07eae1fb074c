import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { context, propagation, trace } from "@opentelemetry/api";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startTracing } from "./tracing.js";

interface Received {
  readonly path: string;
  readonly headers: Record<string, unknown>;
  readonly body: string;
}

describe("Traces", () => {
  let collector: Server;
  let endpoint: string;
  const received: Received[] = [];
  const variables = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS"];

  beforeEach(async () => {
    received.length = 0;
    collector = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on("data", (part: Buffer) => parts.push(part));
      request.on("end", () => {
        received.push({
          path: request.url!,
          headers: request.headers,
          body: Buffer.concat(parts).toString("utf8"),
        });
        response.writeHead(200, { "Content-Type": "application/json" }).end("{}");
      });
    });
    await new Promise<void>((resolve) => collector.listen(0, "127.0.0.1", resolve));
    endpoint = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`;
  });
  afterEach(() => {
    for (const name of variables) delete process.env[name];
    trace.disable();
    context.disable();
    propagation.disable();
    collector.close();
    collector.closeAllConnections();
  });

  it("are sent to the collector that the environment names, under the name of the service, before the process ends", async () => {
    process.env["OTEL_EXPORTER_OTLP_ENDPOINT"] = endpoint;
    process.env["OTEL_EXPORTER_OTLP_HEADERS"] = "x-tenant=hospital";
    const tracing = await startTracing({ ...process.env, OTEL_SERVICE_NAME: "lake-of-a-test" });
    trace.getTracer("fhir-lake").startSpan("a span of a test").end();
    await tracing.close();
    expect(received.map(({ path }) => path)).toEqual(["/v1/traces"]);
    expect(received[0]!.headers["x-tenant"]).toBe("hospital");
    expect(received[0]!.body).toContain("a span of a test");
    expect(received[0]!.body).toContain("lake-of-a-test");
  });

  it("are not kept unless a collector is named, nor where they are switched off or their share is 0", async () => {
    process.env["OTEL_EXPORTER_OTLP_ENDPOINT"] = endpoint;
    for (const environment of [
      {},
      { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_SDK_DISABLED: "true" },
      { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_TRACES_SAMPLER_ARG: "0" },
    ]) {
      const tracing = await startTracing(environment);
      const span = trace.getTracer("fhir-lake").startSpan("nothing");
      expect(span.isRecording()).toBe(false);
      span.end();
      await tracing.close();
      trace.disable();
    }
    expect(received).toEqual([]);
  });

  it("do not hold up the end of a process whose collector is gone", async () => {
    process.env["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://127.0.0.1:9";
    const tracing = await startTracing(process.env);
    trace.getTracer("fhir-lake").startSpan("lost").end();
    await expect(tracing.close()).resolves.toBeUndefined();
  });

  it.each([
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: "collector:4318" }, "cli/bad-trace-endpoint"],
    [
      { OTEL_EXPORTER_OTLP_ENDPOINT: "http://localhost:4318", OTEL_TRACES_SAMPLER_ARG: "2" },
      "cli/bad-trace-share",
    ],
    [
      { OTEL_EXPORTER_OTLP_ENDPOINT: "http://localhost:4318", OTEL_TRACES_SAMPLER_ARG: "all" },
      "cli/bad-trace-share",
    ],
  ])("refuse settings that cannot be meant: %j", async (environment, code) => {
    await expect(startTracing(environment)).rejects.toMatchObject({ code });
  });
});
