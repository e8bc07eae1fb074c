import { SpanStatusCode, trace } from "@opentelemetry/api";
import { isLakeError } from "#kernel";

/** The parts of an answer that are timed. */
export type Step = "open" | "plan" | "scan" | "encode";

/** What may be told of an error in traces and logs: its code, never its message. */
export function codeOf(error: unknown): string {
  return isLakeError(error) ? error.code : "unexpected";
}

/** How long the parts of one answer took; each is a span of the trace too, where traces are kept. */
export class Timing {
  private readonly startedAt = performance.now();
  private readonly steps = new Map<Step, number>();

  /** Runs a part and adds its time. */
  async step<T>(name: Step, work: () => Promise<T>): Promise<T> {
    const from = performance.now();
    return await trace.getTracer("fhir-lake").startActiveSpan(name, async (span) => {
      try {
        return await work();
      } catch (error) {
        span.setStatus({ code: SpanStatusCode.ERROR, message: codeOf(error) });
        throw error;
      } finally {
        this.steps.set(name, (this.steps.get(name) ?? 0) + performance.now() - from);
        span.end();
      }
    });
  }

  /** Milliseconds since the request came. */
  elapsedMs(): number {
    return performance.now() - this.startedAt;
  }

  /** The value of `Server-Timing`: milliseconds of the parts so far, and in all. */
  header(): string {
    const parts = [...this.steps, ["total", this.elapsedMs()] as const];
    return parts.map(([name, ms]) => `${name};dur=${ms.toFixed(1)}`).join(", ");
  }
}
