import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type RealServer, realServerSkip, startRealServer } from "../support/real-server.js";
import { SourceLake } from "../support/source-lake.js";

const skip = realServerSkip();
const TYPES = ["Condition", "Patient"];

interface Entry {
  readonly method: "PUT" | "DELETE";
  readonly url: string;
  readonly text?: string;
}

function patient(prefix: string, number: number, family: string): Entry {
  const id = `${prefix}-p${number}`;
  const text = `{"resourceType":"Patient","id":"${id}","extension":[{"url":"http://example.org/weight","valueDecimal":${number}.10}],"name":[{"family":"${family}"}]}`;
  return { method: "PUT", url: `Patient/${id}`, text };
}

function condition(prefix: string, number: number): Entry {
  const id = `${prefix}-c${number}`;
  const text = `{"resourceType":"Condition","id":"${id}","subject":{"reference":"Patient/${prefix}-p${number}"},"code":{"text":"x"}}`;
  return { method: "PUT", url: `Condition/${id}`, text };
}

async function write(server: RealServer, entries: readonly Entry[]): Promise<void> {
  const parts = entries.map(({ method, url, text }) => {
    const resource = text === undefined ? "" : `"resource":${text},`;
    return `{${resource}"request":{"method":"${method}","url":"${url}"}}`;
  });
  const response = await fetch(server.url, {
    method: "POST",
    headers: { "content-type": "application/fhir+json" },
    body: `{"resourceType":"Bundle","type":"transaction","entry":[${parts.join(",")}]}`,
  });
  expect(response.status, await response.text()).toBe(200);
}

interface Page {
  readonly entry?: readonly { readonly resource: { readonly id: string } }[];
  readonly link: readonly { readonly relation: string; readonly url: string }[];
}

/** `Type/id` to the text of every resource, as the server answers a read. */
async function serverTexts(server: RealServer): Promise<Map<string, string>> {
  const texts = new Map<string, string>();
  for (const type of TYPES) {
    for (let page: string | undefined = `${server.url}/${type}?_elements=id`; page !== undefined; ) {
      const found = (await (await fetch(page, { headers: { "cache-control": "no-cache" } })).json()) as Page;
      for (const { resource } of found.entry ?? []) {
        const key = `${type}/${resource.id}`;
        texts.set(key, await (await fetch(`${server.url}/${key}`)).text());
      }
      page = found.link.find(({ relation }) => relation === "next")?.url;
    }
  }
  return texts;
}

describe.skipIf(skip !== undefined)(
  `a lake fed by HAPI${skip === undefined ? "" : ` (skipped: ${skip})`}`,
  () => {
    let server: RealServer;
    beforeAll(async () => {
      server = await startRealServer();
    }, 400_000);
    afterAll(() => server?.close());

    const kinds: readonly [string, string][] = [
      ["bulk export", "bulk"],
      ["search and history", "search"],
    ];
    it.each(kinds)(
      "holds exactly the server's resources, loaded by %s, after updates and deletes too",
      async (_what, kind) => {
        const numbers = Array.from({ length: 60 }, (_, index) => index);
        await write(server, [
          ...numbers.map((number) => patient(kind, number, "First")),
          ...numbers.map((number) => condition(kind, number)),
        ]);
        const lake = await SourceLake.open({ url: server.url, kind, types: TYPES });
        try {
          const full = await lake.run();
          expect(full.error).toBeUndefined();
          expect(full.record.state).toBe("succeeded");
          expect(await lake.live()).toEqual(await serverTexts(server));

          await write(server, [
            ...[1, 2, 3].map((number) => patient(kind, number, "Changed")),
            patient(kind, 100, "New"),
            ...[7, 8].map((number): Entry => ({ method: "DELETE", url: `Condition/${kind}-c${number}` })),
          ]);
          const next = await lake.run();
          expect(next.error).toBeUndefined();
          const expected = await serverTexts(server);
          expect(await lake.live()).toEqual(expected);
          expect(next.record.types["Patient"]?.stored).toBe(4);
          // A history that overlaps tells of deletes before this lake, too.
          expect(next.record.types["Condition"]?.deleted).toBeGreaterThanOrEqual(2);
        } finally {
          await lake.close();
        }
      },
      200_000,
    );
  },
);
