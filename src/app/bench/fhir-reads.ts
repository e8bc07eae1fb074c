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
}

/** The ways of an expert with a FHIR server's REST interface: large pages, several at a time, few elements, one id list per search. */
export class FhirReads {
  readonly asker: Asker;
  private readonly options: FhirReadOptions;
  /** By question, the first way that the server has taken. */
  private readonly ways: Map<string, number>;

  constructor(asker: Asker, options: FhirReadOptions, ways: Map<string, number> = new Map()) {
    this.asker = asker;
    this.options = options;
    this.ways = ways;
  }

  /** The same server with an asker of its own counts. */
  with(asker: Asker): FhirReads {
    return new FhirReads(asker, this.options, this.ways);
  }

  /** A resource by its id. */
  async read(type: string, id: string): Promise<Resource> {
    return (await this.asker.get(`${type}/${encodeURIComponent(id)}`)) as Resource;
  }

  /** All resources of a type that match, from all pages. */
  async search(type: string, parameters: Readonly<Record<string, string>>): Promise<Resource[]> {
    return this.pages(`${type}?${query({ ...parameters, _count: String(this.options.pageSize) })}`, type);
  }

  /** What an operation answers as a searchset, from all pages. */
  async operation(place: string, parameters: Readonly<Record<string, string>>): Promise<Resource[]> {
    return this.pages(`${place}?${query({ ...parameters, _count: String(this.options.pageSize) })}`);
  }

  /**
   * How many match, counted by the server (`_summary=count`). It is told to refuse parameters that it does not know, because nobody
   * could see from a number that one was left out.
   */
  async count(type: string, parameters: Readonly<Record<string, string>>): Promise<number> {
    const place = `${type}?${query({ ...parameters, _summary: "count" })}`;
    const bundle = (await this.asker.get(place, { Prefer: "handling=strict" })) as Bundle;
    if (typeof bundle?.total === "number") return bundle.total;
    throw new LakeError("unsupported", "bench/no-total", `The FHIR server counts no ${type}.`);
  }

  /** All resources of a type that belong to one of the patients and match: searches of many ids each, several at a time. */
  async ofPatients(
    type: string,
    patients: readonly string[],
    parameters: Readonly<Record<string, string>>,
  ): Promise<Resource[]> {
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
    for (let index = this.ways.get(question) ?? 0; ; index++) {
      try {
        const answer = await ways[index]!();
        this.ways.set(question, index);
        return answer;
      } catch (error) {
        const refused = isLakeError(error, "bench/refused") || isLakeError(error, "bench/no-total");
        if (!refused || index + 1 >= ways.length) throw error;
      }
    }
  }

  private async pages(first: string, type?: string): Promise<Resource[]> {
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

function query(parameters: Readonly<Record<string, string>>): string {
  return new URLSearchParams(parameters).toString();
}

function matches(bundle: Bundle, type: string | undefined): Resource[] {
  if (bundle?.entry === undefined) return [];
  const resources = bundle.entry.flatMap(({ resource }) => (resource === undefined ? [] : [resource]));
  if (type === undefined) return resources;
  return resources.filter(({ resourceType }) => resourceType === type);
}

function nextLink(bundle: Bundle): string | undefined {
  return bundle?.link?.find(({ relation }) => relation === "next")?.url;
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
