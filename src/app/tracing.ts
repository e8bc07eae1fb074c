import { context, propagation, trace } from "@opentelemetry/api";
import { LakeError } from "#kernel";

/** Traces that are kept and sent. */
export interface Tracing {
  /** Sends what is left, and ends. */
  close(): Promise<void>;
}

const off: Tracing = { close: () => Promise.resolve() };

/** The time that sending what is left may take when a process ends. */
const LAST_SEND_MS = 3_000;

function checkEndpoint(text: string): void {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && ["http:", "https:"].includes(url.protocol)) return;
  throw new LakeError(
    "invalid-input",
    "cli/bad-trace-endpoint",
    "OTEL_EXPORTER_OTLP_ENDPOINT is no address of a collector; write it like http://localhost:4318.",
  );
}

/** The share of traces that are kept, of those that no caller decided about. */
function shareOf(environment: NodeJS.ProcessEnv): number {
  const text = environment["OTEL_TRACES_SAMPLER_ARG"] ?? "1";
  const share = Number(text);
  if (text.trim() !== "" && share >= 0 && share <= 1) return share;
  throw new LakeError(
    "invalid-input",
    "cli/bad-trace-share",
    "OTEL_TRACES_SAMPLER_ARG is the share of traces to keep, from 0 to 1, such as 0.1.",
  );
}

/**
 * Sends traces by OTLP over HTTP when the environment names a collector (`OTEL_EXPORTER_OTLP_ENDPOINT` or
 * `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`; `OTEL_SDK_DISABLED=true` switches it off), else does nothing. `OTEL_TRACES_SAMPLER_ARG` is the share that
 * is kept, `OTEL_SERVICE_NAME` the name; headers and timeouts follow OpenTelemetry's other variables. Fails with `cli/bad-trace-endpoint`,
 * `cli/bad-trace-share`.
 */
export async function startTracing(environment: NodeJS.ProcessEnv): Promise<Tracing> {
  const endpoint =
    environment["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] ?? environment["OTEL_EXPORTER_OTLP_ENDPOINT"];
  if (endpoint === undefined || endpoint === "" || environment["OTEL_SDK_DISABLED"] === "true") return off;
  checkEndpoint(endpoint);
  const share = shareOf(environment);
  // Loaded only now: who keeps no traces pays nothing for them.
  const [sdk, { OTLPTraceExporter }, resources, { AsyncLocalStorageContextManager }, core] =
    await Promise.all([
      import("@opentelemetry/sdk-trace"),
      import("@opentelemetry/exporter-trace-otlp-http"),
      import("@opentelemetry/resources"),
      import("@opentelemetry/context-async-hooks"),
      import("@opentelemetry/core"),
    ]);
  const named = resources.resourceFromAttributes({
    "service.name": environment["OTEL_SERVICE_NAME"] ?? "fhir-lake",
  });
  const provider = new sdk.TracerProvider({
    resource: resources.defaultResource().merge(named),
    sampler: new sdk.ParentBasedSampler({ root: new sdk.TraceIdRatioBasedSampler(share) }),
    spanProcessors: [new sdk.BatchSpanProcessor({ exporter: new OTLPTraceExporter() })],
  });
  trace.setGlobalTracerProvider(provider);
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new core.W3CTraceContextPropagator());
  return {
    close: async () => {
      const late = new Promise<void>((resolve) => setTimeout(resolve, LAST_SEND_MS).unref());
      // A collector that is gone may not hold the end of the process up.
      await Promise.race([provider.shutdown().catch(() => undefined), late]);
    },
  };
}
