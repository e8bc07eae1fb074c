import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { Asker } from "./asker.js";
import { FhirReads } from "./fhir-reads.js";

const OPTIONS = { pageSize: 3, parallel: 4, patientsPerSearch: 2 };
const patient = (id: number) => ({ resource: { resourceType: "Patient", id: `p${id}` } });

let server: Server | undefined;
let asker: Asker | undefined;

afterEach(() => {
  asker?.close();
  server?.close();
});

interface Kind {
  readonly patients: number;
  readonly largestPage: number;
  /** Whether it gives pages by `_offset`, does not know that, or refuses it. */
  readonly offset: "known" | "unknown" | "refused";
  /** True: each page begins a place too early where it is not the first, as a list without an order may do. */
  readonly overlaps?: boolean;
}

/** A FHIR server of patients; the addresses it was asked for, and how many at once at most, are kept. */
async function serve({ patients, largestPage, offset, overlaps = false }: Kind): Promise<{
  readonly asker: Asker;
  readonly asked: URL[];
  most(): number;
}> {
  const asked: URL[] = [];
  let now = 0;
  let most = 0;
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url!, `http://${request.headers.host}`);
    asked.push(url);
    most = Math.max(most, ++now);
    await sleep(10);
    now--;
    const wanted = url.searchParams.get("_offset");
    if (wanted !== null && offset === "refused") {
      response.writeHead(400).end("{}");
      return;
    }
    const name = offset === "known" ? "_offset" : "at";
    const at = Number(url.searchParams.get(name) ?? 0);
    const size = Math.min(largestPage, Number(url.searchParams.get("_count")));
    const from = overlaps ? Math.max(0, at - 1) : at;
    const ids = Array.from({ length: patients }, (_, id) => id).slice(from, from + size);
    const next = new URL(url);
    next.searchParams.set(name, String(at + size));
    // As HAPI does it: whoever was given a full page may ask for another.
    const link = ids.length === size ? [{ relation: "next", url: next.href }] : [];
    response.end(JSON.stringify({ resourceType: "Bundle", link, entry: ids.map(patient) }));
  };
  const here = createServer((request, response) => void answer(request, response));
  server = here;
  await new Promise<void>((resolve) => here.listen(0, "127.0.0.1", resolve));
  asker = new Asker({
    name: "FHIR server",
    base: `http://127.0.0.1:${(here.address() as AddressInfo).port}`,
  });
  return { asker, asked, most: () => most };
}

const ids = (count: number): string[] => Array.from({ length: count }, (_, id) => `p${id}`);

describe("pages of a FHIR server", () => {
  it.each([1, 2, 3, 4, 6, 7, 29, 30, 31])(
    "are fetched by _offset where it is known, several at once, none twice, none left out: %i patients",
    async (patients) => {
      const { asker: one, most } = await serve({ patients, largestPage: 2, offset: "known" });
      const found = await new FhirReads(one, OPTIONS).search("Patient", {});
      expect(found.map(({ id }) => id)).toEqual(ids(patients));
      if (patients > 6) expect(most()).toBeGreaterThan(1);
      expect(most()).toBeLessThanOrEqual(OPTIONS.parallel);
    },
  );

  it("are asked for in an order that stays, without which a database gives a row twice and another never", async () => {
    const { asker: one, asked } = await serve({ patients: 7, largestPage: 2, offset: "known" });
    await new FhirReads(one, OPTIONS).search("Patient", {});
    expect(asked.map((url) => url.searchParams.get("_sort"))).toEqual(asked.map(() => "_pid"));
  });

  it("are an error where two of them have the same resource", async () => {
    const { asker: one } = await serve({ patients: 7, largestPage: 2, offset: "known", overlaps: true });
    await expect(new FhirReads(one, OPTIONS).search("Patient", {})).rejects.toMatchObject({
      code: "bench/pages-overlap",
    });
  });

  it.each(["unknown", "refused"] as const)(
    "are followed by their links where _offset is %s, which is found out once",
    async (offset) => {
      const { asker: one, asked } = await serve({ patients: 7, largestPage: 2, offset });
      const reads = new FhirReads(one, OPTIONS);
      for (let ask = 0; ask < 2; ask++) {
        const found = await reads.with(one).search("Patient", {});
        expect(found.map(({ id }) => id)).toEqual(ids(7));
      }
      expect(asked.filter((url) => url.searchParams.get("_count") === "1")).toHaveLength(1);
    },
  );

  it("are not asked for by _offset where the server's store of searches is to be used", async () => {
    const { asker: one, asked } = await serve({ patients: 4, largestPage: 2, offset: "known" });
    await new FhirReads(one, { ...OPTIONS, byOffset: false }).search("Patient", {});
    expect(asked[0]!.searchParams.has("_offset")).toBe(false);
  });

  it("takes several values of one parameter, all of which have to hold", async () => {
    const { asker: one, asked } = await serve({ patients: 1, largestPage: 2, offset: "unknown" });
    await new FhirReads(one, OPTIONS).search("Patient", { birthdate: ["ge1970-01-01", "le1980-01-01"] });
    expect(asked.at(-1)!.searchParams.getAll("birthdate")).toEqual(["ge1970-01-01", "le1980-01-01"]);
  });
});
