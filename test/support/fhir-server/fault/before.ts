import type { ServerClock } from "../clock.js";
import { operationOutcome } from "../outcome.js";
import type { Fault } from "./rule.js";
import type { Strike } from "./script.js";

/** The answer that faults give in place of the real one, or undefined when the request goes on. */
export async function answerInstead(
  strikes: readonly Strike[],
  request: { readonly path: string; readonly query: string },
  clock: ServerClock,
): Promise<Response | undefined> {
  for (const { fault } of strikes) {
    if (fault.kind === "exit") process.kill(process.pid, "SIGKILL");
    if (fault.kind === "delay" && fault.bytes === undefined) await pause(fault.milliseconds);
    if (fault.kind === "status") return statusAnswer(fault, clock);
    if (fault.kind === "expire-link")
      return outcome(fault.status ?? 410, "expired", "This link has expired.");
    if (fault.kind === "redirect") {
      const whole = /^https?:\/\/[^/]+\/./.test(fault.to);
      const location = whole ? fault.to : `${fault.to.replace(/\/$/, "")}${request.path}${request.query}`;
      return new Response(null, { status: fault.status ?? 307, headers: { location } });
    }
  }
  return undefined;
}

/** Waits. */
export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

function statusAnswer(fault: Extract<Fault, { kind: "status" }>, clock: ServerClock): Response {
  const headers: Record<string, string> = { ...fault.headers };
  const wait = fault.retryAfter;
  if (typeof wait === "object")
    headers["retry-after"] = new Date(clock.now() + wait.dateInSeconds * 1000).toUTCString();
  else if (wait !== undefined) headers["retry-after"] = String(wait);
  if (fault.body !== undefined) return new Response(fault.body, { status: fault.status, headers });
  return outcome(fault.status, fault.issueCode ?? "exception", "A fault of the script.", headers);
}

function outcome(
  status: number,
  code: string,
  diagnostics: string,
  headers: Record<string, string> = {},
): Response {
  return new Response(operationOutcome([{ severity: "error", code, diagnostics }]), {
    status,
    headers: { "content-type": "application/fhir+json", ...headers },
  });
}
