import { Agent, request } from "node:http";

/** An answer's status and text. */
export interface HttpAnswer {
  readonly status: number;
  readonly text: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** A client that keeps at most so many connections open; cheaper per request than fetch, so that the generator takes less of the machine. */
export class HttpClient {
  private readonly agent: Agent;

  constructor(connections: number) {
    this.agent = new Agent({ keepAlive: true, maxSockets: connections });
  }

  send(url: string, body?: string): Promise<HttpAnswer> {
    return new Promise((resolve, reject) => {
      const headers =
        body === undefined
          ? {}
          : { "Content-Type": "application/fhir+json", "Content-Length": String(Buffer.byteLength(body)) };
      const outgoing = request(
        url,
        { agent: this.agent, method: body === undefined ? "GET" : "POST", headers },
        (incoming) => {
          const parts: Buffer[] = [];
          incoming.on("data", (part: Buffer) => parts.push(part));
          incoming.on("end", () =>
            resolve({
              status: incoming.statusCode ?? 0,
              text: Buffer.concat(parts).toString("utf8"),
              headers: incoming.headers,
            }),
          );
          incoming.on("error", reject);
        },
      );
      outgoing.on("error", reject);
      outgoing.end(body);
    });
  }

  close(): void {
    this.agent.destroy();
  }
}

/** The value below which a share of all lies. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}
