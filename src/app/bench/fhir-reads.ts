import { isLakeError, LakeError, mapConcurrently } from "#kernel";
import type { Asker } from "./asker.js";

/** A FHIR resource as JSON; only what the questions look at is typed. */
export type Resource = Readonly<Record<string, unknown>> & {
  readonly resourceType: string;
  readonly id: string;
};

interface Bundle {
  readonly total?: number;
  readonly link?: readonly { readonly relation: string; readonly url: string }[];
  readonly entry?: readonly {
    readonly resource?: Resource;
    readonly search?: { readonly mode?: string };
  }[];
}

/** How a FHIR server is read. */
export interface FhirReadOptions {
  /** Resources wished for per page; the server may send fewer. */
  readonly pageSize: number;
  /** Requests of one question at the same time. */
  readonly parallel: number;
  /** Ids of patients in one search at most, so that addresses stay short enough for every server. */
  readonly patientsPerSearch: number;
  /** False: pages are asked for by the server's links only, as its store of earlier searches needs it; true when absent. */
  readonly byOffset?: boolean;
}

/** Values of search parameters; several of one name all have to hold. */
export type Parameters = Readonly<Record<string, string | readonly string[]>>;

/** What was found out about a server, shared by all who read it. */
export interface Learnt {
  /** By question, the first way that the server has taken. */
  readonly ways: Map<string, number>;
  /** Whether it gives pages by `_offset`; undefined until somebody asked. */
  offset: Promise<boolean> | undefined;
}

/** Nothing is known of the server yet. */
export function nothingLearnt(): Learnt {
  return { ways: new Map(), offset: undefined };
}

/** HAPI's order by the number of the row in its database, which costs it least of those in which no two resources are equal. */
const BY_NUMBER = "_pid";

/** The ways of an expert with a FHIR server's REST interface: large pages, several at a time, few elements, one id list per search. */
export class FhirReads {
  readonly asker: Asker;
  private readonly options: FhirReadOptions;
  private readonly learnt: Learnt;

  constructor(asker: Asker, options: FhirReadOptions, learnt: Learnt = nothingLearnt()) {
    this.asker = asker;
    this.options = options;
    this.learnt = learnt;
  }

  /** The same server with an asker of its own counts. */
  with(asker: Asker): FhirReads {
    return new FhirReads(asker, this.options, this.learnt);
  }

  /** A resource by its id. */
  async read(type: string, id: string): Promise<Resource> {
    return (await this.asker.get(`${type}/${encodeURIComponent(id)}`)) as Resource;
  }

  /** All resources of a type that match, from all pages. */
  async search(type: string, parameters: Parameters): Promise<Resource[]> {
    const place = `${type}?${query({ ...parameters, _count: String(this.options.pageSize) })}`;
    return (await this.knowsOffset()) ? this.byOffset(place, type) : this.byLinks(place, type);
  }

  /** What an operation answers as a searchset, from all pages. */
  async operation(place: string, parameters: Parameters): Promise<Resource[]> {
    return this.byLinks(`${place}?${query({ ...parameters, _count: String(this.options.pageSize) })}`);
  }

  /**
   * How many match, counted by the server (`_summary=count`). It is told to refuse parameters that it does not know, because nobody
   * could see from a number that one was left out.
   */
  async count(type: string, parameters: Parameters): Promise<number> {
    const place = `${type}?${query({ ...parameters, _summary: "count" })}`;
    const bundle = (await this.asker.get(place, { Prefer: "handling=strict" })) as Bundle;
    if (typeof bundle?.total === "number") return bundle.total;
    throw new LakeError("unsupported", "bench/no-total", `The FHIR server counts no ${type}.`);
  }

  /** All resources of a type that belong to one of the patients and match: searches of many ids each, several at a time. */
  async ofPatients(type: string, patients: readonly string[], parameters: Parameters): Promise<Resource[]> {
    const found = await mapConcurrently(
      chunks(patients, this.options.patientsPerSearch),
      this.options.parallel,
      (some) => this.search(type, { ...parameters, patient: some.map((id) => `Patient/${id}`).join(",") }),
    );
    return found.flat();
  }

  /**
   * The answer of the first way that the server takes. A way that is refused (4xx, 5xx) is left for the next one, also by later asks of
   * the same question, so that only the first ask pays for the attempts.
   */
  async firstOf<T>(question: string, ...ways: readonly (() => Promise<T>)[]): Promise<T> {
    for (let index = this.learnt.ways.get(question) ?? 0; ; index++) {
      try {
        const answer = await ways[index]!();
        this.learnt.ways.set(question, index);
        return answer;
      } catch (error) {
        const refused = isLakeError(error, "bench/refused") || isLakeError(error, "bench/no-total");
        if (!refused || index + 1 >= ways.length) throw error;
      }
    }
  }

  /** Whether the server gives pages by `_offset` in an order that stays, as HAPI does; asked once. */
  private knowsOffset(): Promise<boolean> {
    if (this.options.byOffset === false) return Promise.resolve(false);
    this.learnt.offset ??= this.asker
      .get(`Patient?_elements=id&_count=1&_sort=${BY_NUMBER}&_offset=0`)
      .then((bundle) => nextOffset(bundle as Bundle) === 1)
      .catch((error: unknown) => {
        if (isLakeError(error, "bench/refused")) return false;
        // Whoever asks next finds out.
        this.learnt.offset = undefined;
        throw error;
      });
    return this.learnt.offset;
  }

  /**
   * Pages by `_offset`: each is a search of its own, so that none waits for the server to store a long list first, and several are fetched
   * at once. More with every round, because nobody knows how many there are. They are sorted: without an order the database is free to give a row
   * in two pages and another in none.
   */
  private async byOffset(first: string, type: string): Promise<Resource[]> {
    const page = async (at: number): Promise<Bundle> =>
      (await this.asker.get(`${first}&_sort=${BY_NUMBER}&_offset=${at}`)) as Bundle;
    let last = await page(0);
    const found = matches(last, type);
    // A server may give less per page than was wished for.
    const size = nextOffset(last);
    if (size === undefined) return found;
    for (
      let at = size, width = 1;
      nextOffset(last) !== undefined;
      width = Math.min(width * 2, this.options.parallel)
    ) {
      const places = Array.from({ length: width }, (_, index) => at + index * size);
      const bundles = await mapConcurrently(places, width, page);
      for (const bundle of bundles) found.push(...matches(bundle, type));
      at += width * size;
      last = bundles.at(-1)!;
    }
    return eachOnce(found, type);
  }

  private async byLinks(first: string, type?: string): Promise<Resource[]> {
    const bundle = (await this.asker.get(first)) as Bundle;
    const found = matches(bundle, type);
    let next = nextLink(bundle);
    // A server that numbers the places within a stored result and tells the total lets the rest be fetched at once.
    const rest = next === undefined ? undefined : offsets(next, bundle, found.length);
    if (rest !== undefined) {
      const later = await mapConcurrently(rest, this.options.parallel, async (place) =>
        matches((await this.asker.get(place)) as Bundle, type),
      );
      return [...found, ...later.flat()];
    }
    while (next !== undefined) {
      const page = (await this.asker.get(next)) as Bundle;
      found.push(...matches(page, type));
      next = nextLink(page);
    }
    return found;
  }
}

function query(parameters: Parameters): string {
  const pairs = Object.entries(parameters).flatMap(([name, values]) =>
    (typeof values === "string" ? [values] : values).map((value): [string, string] => [name, value]),
  );
  return new URLSearchParams(pairs).toString();
}

function matches(bundle: Bundle, type: string | undefined): Resource[] {
  if (bundle?.entry === undefined) return [];
  const resources = bundle.entry.flatMap(({ resource }) => (resource === undefined ? [] : [resource]));
  if (type === undefined) return resources;
  return resources.filter(({ resourceType }) => resourceType === type);
}

/** The resources, if none is there twice; error `bench/pages-overlap`: what is in two pages of a list stands where something else is missing. */
function eachOnce(found: Resource[], type: string): Resource[] {
  if (new Set(found.map(({ id }) => id)).size === found.length) return found;
  throw new LakeError(
    "unavailable",
    "bench/pages-overlap",
    `The FHIR server gave a ${type} in two pages of one search: its resources changed meanwhile, or it does not sort them.`,
  );
}

function nextLink(bundle: Bundle): string | undefined {
  return bundle?.link?.find(({ relation }) => relation === "next")?.url;
}

/** Where the next page begins by the server's own link, if it counts by `_offset`; undefined after the last page. */
function nextOffset(bundle: Bundle): number | undefined {
  const next = nextLink(bundle);
  const offset = next === undefined ? null : new URL(next).searchParams.get("_offset");
  return offset === null ? undefined : Number(offset);
}

/** Addresses of all pages after the first, or undefined where a server's pages are opaque or it tells no total. */
function offsets(next: string, { total }: Bundle, size: number): string[] | undefined {
  const url = new URL(next);
  const offset = url.searchParams.get("_getpagesoffset");
  if (offset === null || total === undefined || size === 0 || Number(offset) !== size) return undefined;
  const places: string[] = [];
  for (let at = size; at < total; at += size) {
    url.searchParams.set("_getpagesoffset", String(at));
    url.searchParams.set("_count", String(size));
    places.push(url.href);
  }
  return places;
}

/** A list cut into parts of at most `size`. */
export function chunks<T>(list: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(list.length / size) }, (_, at) =>
    list.slice(at * size, (at + 1) * size),
  );
}

/** The id in `Patient/<id>` of `subject` or `patient`, whatever base and version the reference has; undefined when there is none. */
export function patientOf(resource: Resource): string | undefined {
  const reference = (resource["subject"] ?? resource["patient"]) as { reference?: string } | undefined;
  return /(?:^|\/)Patient\/([^/]+)/.exec(reference?.reference ?? "")?.[1];
}
