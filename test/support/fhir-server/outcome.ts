/** Severity of an OperationOutcome issue. */
export type Severity = "fatal" | "error" | "warning" | "information";

/** One issue as OperationOutcome writes it. */
export interface Issue {
  readonly severity: Severity;
  readonly code: string;
  readonly diagnostics: string;
}

/** The resource text of an OperationOutcome. */
export function operationOutcome(issues: readonly Issue[]): string {
  return JSON.stringify({ resourceType: "OperationOutcome", issue: issues });
}

/** A refusal: ends a request with a status and an OperationOutcome. */
export class FhirRefusal extends Error {
  readonly status: number;
  readonly code: string;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, code: string, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}

/** The response to a refusal. */
export function refusalResponse(refusal: FhirRefusal): Response {
  return fhirJson(
    operationOutcome([{ severity: "error", code: refusal.code, diagnostics: refusal.message }]),
    { status: refusal.status, headers: refusal.headers },
  );
}

/** A response with a FHIR resource in JSON. */
export function fhirJson(
  body: string | Buffer,
  options: { readonly status?: number; readonly headers?: Readonly<Record<string, string>> } = {},
): Response {
  return new Response(typeof body === "string" ? body : new Uint8Array(body), {
    status: options.status ?? 200,
    headers: { "content-type": "application/fhir+json;charset=utf-8", ...options.headers },
  });
}
