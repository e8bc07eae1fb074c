import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";

/** What a scripted server answers; a body that is no string is sent as JSON. */
export interface OddAnswer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: unknown;
}

/** A FHIR server whose every answer is written by a test, for what no FHIR server of ours would say. */
export interface OddServer {
  /** Base URL without a slash at its end. */
  readonly url: string;
  /** `GET /Patient?_count=1` of every request, parameters decoded. */
  readonly requests: string[];
  close(): Promise<void>;
}

function bodyOf(message: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    message.on("data", (chunk: Buffer) => {
      text += chunk.toString("utf8");
    });
    message.on("end", () => resolve(text));
    message.on("error", reject);
  });
}

/** Starts a server on the loopback address; `answer` gets the URL and a form's fields as parameters. */
export async function startOddServer(answer: (url: URL, method: string) => OddAnswer): Promise<OddServer> {
  const requests: string[] = [];
  const server = createServer((message, response) => {
    void bodyOf(message).then((body) => {
      const url = new URL(message.url ?? "/", `http://${message.headers.host}`);
      for (const [name, value] of new URLSearchParams(body)) url.searchParams.append(name, value);
      const method = message.method ?? "GET";
      requests.push(`${method} ${url.pathname}${decodeURIComponent(url.search)}`);
      const { status = 200, headers, body: sent } = answer(url, method);
      response.writeHead(status, { "content-type": "application/fhir+json", ...headers });
      response.end(typeof sent === "string" ? sent : JSON.stringify(sent));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
