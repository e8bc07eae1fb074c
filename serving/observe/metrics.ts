import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";

/** Every label has few values: patterns of routes, known methods, statuses, formats. Nothing of a URL, a body or a row is one. */
const methods: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);

/** What is counted of a request. */
export interface AnsweredRequest {
  readonly method: string;
  readonly status: number;
  /** Its route's pattern and the format of the answer, where it has them. */
  readonly notes: { readonly route?: string; readonly format?: string };
  /** From the request until its headers were ready. */
  readonly seconds: number;
}

/** A number that is looked up when somebody asks for metrics. */
export interface Measured {
  /** Without the prefix `fhir_lake_`. */
  readonly name: string;
  readonly help: string;
  readonly value: number;
  /** `counter` for one that only grows while the process runs; `gauge` when absent. */
  readonly kind?: "counter" | "gauge";
  readonly labels?: Readonly<Record<string, string>>;
}

let processRegistry: Registry | undefined;

/** Metrics of the process, which has one heap and one event loop however many servers it runs. */
function processMetrics(): Registry {
  if (processRegistry === undefined) {
    processRegistry = new Registry();
    collectDefaultMetrics({ register: processRegistry });
  }
  return processRegistry;
}

/** What a server counts about itself, in the text format of Prometheus. */
export class ServerMetrics {
  private readonly registry = new Registry();
  private readonly inProgress = new Gauge({
    name: "fhir_lake_http_requests_in_progress",
    help: "Requests whose headers are not sent yet.",
    registers: [this.registry],
  });
  private readonly requests = new Counter({
    name: "fhir_lake_http_requests_total",
    help: "Requests by route, status and format.",
    labelNames: ["method", "route", "status", "format"] as const,
    registers: [this.registry],
  });
  private readonly durations = new Histogram({
    name: "fhir_lake_http_request_duration_seconds",
    help: "Time from a request until the headers of its answer.",
    labelNames: ["method", "route"] as const,
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300],
    registers: [this.registry],
  });
  private readonly rows = new Counter({
    name: "fhir_lake_rows_sent_total",
    help: "Rows sent, by format.",
    labelNames: ["format"] as const,
    registers: [this.registry],
  });
  private readonly cut = new Counter({
    name: "fhir_lake_answers_cut_total",
    help: "Answers that did not reach their end, by reason.",
    labelNames: ["reason"] as const,
    registers: [this.registry],
  });

  private readonly looks: (() => Measured)[] = [];

  /** Has a number looked up whenever somebody asks for metrics. */
  lookAt(look: () => Measured): void {
    this.looks.push(look);
  }

  began(): void {
    this.inProgress.inc();
  }

  answered({ method, status, notes, seconds }: AnsweredRequest): void {
    this.inProgress.dec();
    const labels = { method: methods.has(method) ? method : "other", route: notes.route ?? "none" };
    this.requests.inc({ ...labels, status, format: notes.format ?? "" });
    this.durations.observe(labels, seconds);
  }

  /** Tells how the body of an answer fared. */
  sent(format: string, rowCount: number, cut?: "client gone" | "failed"): void {
    this.rows.inc({ format }, rowCount);
    if (cut !== undefined) this.cut.inc({ reason: cut });
  }

  /** All metrics as text, with those that were looked up just now. */
  async text(measured: readonly Measured[]): Promise<string> {
    const looked = new Registry();
    for (const { name, help, value, kind, labels = {} } of [
      ...measured,
      ...this.looks.map((look) => look()),
    ]) {
      const full = `fhir_lake_${name}`;
      const settings = { name: full, help, labelNames: Object.keys(labels), registers: [looked] };
      const standing = looked.getSingleMetric(full);
      if (kind === "counter") ((standing as Counter | undefined) ?? new Counter(settings)).inc(labels, value);
      else ((standing as Gauge | undefined) ?? new Gauge(settings)).set(labels, value);
    }
    return await Registry.merge([this.registry, looked, processMetrics()]).metrics();
  }

  /** The media type of {@link text}. */
  get contentType(): string {
    return this.registry.contentType;
  }
}
