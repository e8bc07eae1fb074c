import {
  type CohortRead,
  type CohortService,
  parseDimensions,
  resultFormats,
  type StoredCohort,
  type ViewRead,
} from "#query";
import type { ServingContext, ServingDependencies } from "../context.js";
import { chooseFormat, parameters, splitName } from "../http/choose-format.js";
import { badRequest } from "../http/errors.js";
import { freshnessMeta, freshnessNow } from "../http/freshness.js";
import { jsonBody } from "../http/json-body.js";
import type { AnswerFormat } from "../http/negotiate.js";
import { parseState } from "../http/question.js";
import { pathParameter, type RouteTable } from "../http/routes.js";
import { parseOutput } from "../question/output-options.js";
import { cohortDescriptions, membersIn } from "./cohort-descriptions.js";
import { prettyJson, sendDocument } from "./send.js";
import { sendAnswer } from "./view-answer.js";

const MOST_CHANGES = 1000;

const uncached = { "Content-Type": "application/json", "Cache-Control": "private, no-store" };

function json(value: unknown, status = 200, headers: Record<string, string> = {}): Response {
  return new Response(prettyJson(value), { status, headers: { ...uncached, ...headers } });
}

function whole(context: ServingContext, name: string, least: number): number | undefined {
  const text = parameters(context).get(name);
  if (text === null) return undefined;
  const value = Number(text);
  if (/^\d{1,9}$/.test(text) && value >= least) return value;
  throw badRequest("bad-parameter", `${name} is a whole number from ${least}.`, { parameter: name });
}

function needed(context: ServingContext, name: string, least: number): number {
  const value = whole(context, name, least);
  if (value === undefined) throw badRequest("missing-parameter", `Give ${name}.`, { parameter: name });
  return value;
}

/** The version that a change is to follow: `If-Match: "3"`, or 0 by `If-None-Match: *`. */
function expectedVersion(context: ServingContext): number | undefined {
  if (context.req.header("If-None-Match")?.trim() === "*") return 0;
  const match = context.req.header("If-Match");
  if (match === undefined) return undefined;
  const version = /^"(\d{1,9})"$/.exec(match.trim())?.[1];
  if (version === undefined) {
    throw badRequest("bad-header", 'If-Match is the version in quotes, such as "3".', { header: "If-Match" });
  }
  return Number(version);
}

function href(id: string, ...rest: readonly string[]): string {
  return ["/cohorts", encodeURIComponent(id), ...rest].join("/");
}

class CohortRoutes {
  private readonly dependencies: ServingDependencies;
  private readonly cohorts: CohortService;

  constructor(dependencies: ServingDependencies, cohorts: CohortService) {
    this.dependencies = dependencies;
    this.cohorts = cohorts;
  }

  private summary(stored: StoredCohort): Record<string, unknown> {
    const { id, version, createdAt, definition } = stored;
    const { title } = definition as { readonly title: string };
    return { id, version, title, createdAt, href: href(id) };
  }

  private full(stored: StoredCohort): Record<string, unknown> {
    const english = this.cohorts.describe(stored);
    return { ...this.summary(stored), english, definition: stored.definition };
  }

  async list(): Promise<Response> {
    const all = await this.cohorts.store.list();
    return json({ cohorts: all.map((stored) => this.summary(stored)) });
  }

  async check(context: ServingContext): Promise<Response> {
    const { english } = await this.cohorts.check(await jsonBody(context));
    return json({ valid: true, english });
  }

  async put(context: ServingContext): Promise<Response> {
    const id = pathParameter(context, "id");
    const stored = await this.cohorts.put(id, await jsonBody(context), expectedVersion(context));
    return json(this.full(stored), stored.version === 1 ? 201 : 200, {
      ETag: `"${stored.version}"`,
      Location: href(id),
    });
  }

  async show(context: ServingContext): Promise<Response> {
    const stored = await this.cohorts.store.get(pathParameter(context, "id"), whole(context, "version", 1));
    return json(this.full(stored), 200, { ETag: `"${stored.version}"` });
  }

  async versions(context: ServingContext): Promise<Response> {
    const all = await this.cohorts.store.versions(pathParameter(context, "id"));
    const shown = all.map((stored) =>
      stored.definition === null
        ? { id: stored.id, version: stored.version, createdAt: stored.createdAt, removed: true }
        : this.summary(stored),
    );
    return json({ versions: shown });
  }

  async remove(context: ServingContext): Promise<Response> {
    await this.cohorts.store.remove(pathParameter(context, "id"));
    return new Response(null, { status: 204 });
  }

  private signal(context: ServingContext): AbortSignal {
    return AbortSignal.any([context.req.raw.signal, AbortSignal.timeout(this.dependencies.queryTimeoutMs)]);
  }

  private async open(context: ServingContext): Promise<CohortRead> {
    const state = parseState(parameters(context), this.dependencies.clock.now());
    return await this.cohorts.open(
      pathParameter(context, "id"),
      whole(context, "version", 1),
      state,
      this.signal(context),
    );
  }

  /** Answers with a document about a cohort at the state that the request names. */
  private async document(
    context: ServingContext,
    work: (read: CohortRead) => Promise<object>,
  ): Promise<Response> {
    const read = await this.open(context);
    try {
      const freshness = freshnessNow(read.snapshot, this.dependencies);
      const { id, version } = read.stored;
      const body = prettyJson({ cohort: id, version, ...freshnessMeta(freshness), ...(await work(read)) });
      return sendDocument(context, freshness, this.dependencies.release, {
        contentType: "application/json",
        body,
      });
    } finally {
      read.release();
    }
  }

  async count(context: ServingContext): Promise<Response> {
    return await this.document(context, async (read) => await read.count());
  }

  async attrition(context: ServingContext): Promise<Response> {
    const order = parameters(context).get("order");
    if (order !== null && !/^\d{1,2}(,\d{1,2})*$/.test(order)) {
      throw badRequest("bad-parameter", "order is numbers of rules, such as 2,0,1.", { parameter: "order" });
    }
    return await this.document(context, async (read) => ({
      steps: await read.attrition(order?.split(",").map(Number)),
    }));
  }

  async breakdown(context: ServingContext): Promise<Response> {
    const by = parseDimensions((parameters(context).get("by") ?? "").split(",").map((name) => name.trim()));
    return await this.document(context, async (read) => await read.breakdown(by));
  }

  async feasibility(context: ServingContext): Promise<Response> {
    const wanted = needed(context, "needed", 1);
    return await this.document(context, async (read) => await read.feasibility(wanted));
  }

  private async rows(
    context: ServingContext,
    { snapshot }: CohortRead,
    read: ViewRead,
    format: AnswerFormat,
  ): Promise<Response> {
    // All rows leave at once, so that no page is ever followed by another.
    return await sendAnswer(context, this.dependencies, {
      read,
      format,
      output: parseOutput(new URLSearchParams(), format),
      count: undefined,
      pinned: false,
      hold: () => snapshot,
    });
  }

  async members(context: ServingContext, extension: string | undefined): Promise<Response> {
    const format = chooseFormat(context, extension, resultFormats);
    const read = await this.open(context);
    try {
      return await this.rows(context, read, await read.members(), format);
    } catch (error) {
      read.release();
      throw error;
    }
  }

  async diff(context: ServingContext): Promise<Response> {
    const from = needed(context, "from", 1);
    const to = whole(context, "to", 1) ?? (await this.newest());
    const limit = Math.min(whole(context, "limit", 1) ?? 100, MOST_CHANGES);
    const { cohort, ...diff } = await this.cohorts.diff(
      pathParameter(context, "id"),
      whole(context, "version", 1),
      { from, to },
      limit,
      this.signal(context),
    );
    return json({ cohort: cohort.id, version: cohort.version, limit, ...diff });
  }

  private async newest(): Promise<number> {
    const [newest] = await this.dependencies.catalog.snapshots();
    if (newest === undefined) throw badRequest("missing-parameter", "The lake holds no snapshot yet.");
    return newest.id;
  }

  /** Keeps a dataset's recipe and describes it at a snapshot by number, so that its rows can be had again. */
  async makeDataset(context: ServingContext): Promise<Response> {
    const request = await jsonBody(context);
    const id = pathParameter(context, "id");
    const snapshot = whole(context, "snapshot", 1) ?? (await this.newest());
    const read = await this.cohorts.open(
      id,
      whole(context, "version", 1),
      { snapshot },
      this.signal(context),
    );
    try {
      const description = await read.describeDataset(request);
      const attrition = await read.exactAttrition();
      const { version } = read.stored;
      const dataset = await this.cohorts.store.putDataset(id, version, request);
      const place = href(id, "datasets", dataset.id);
      const data = Object.fromEntries(
        resultFormats.map((name) => [name, `${place}.${name}?snapshot=${snapshot}`]),
      );
      const pin = { snapshot, asOf: read.snapshot.committedAt };
      return json({ dataset: dataset.id, cohort: id, version, pin, ...description, attrition, data }, 201, {
        Location: `${place}?snapshot=${snapshot}`,
      });
    } finally {
      read.release();
    }
  }

  async dataset(context: ServingContext): Promise<Response> {
    const { name, extension } = splitName(pathParameter(context, "dataset"));
    const format = chooseFormat(context, extension, resultFormats);
    const stored = await this.cohorts.store.getDataset(pathParameter(context, "id"), name);
    const snapshot = whole(context, "snapshot", 1) ?? (await this.newest());
    const read = await this.cohorts.open(stored.cohort, stored.version, { snapshot }, this.signal(context));
    try {
      return await this.rows(context, read, await read.dataset(stored), format);
    } catch (error) {
      read.release();
      throw error;
    }
  }
}

/**
 * The routes of cohorts. Counts are for those who may read cohorts; whatever shows persons, for those who may read the views that they come
 * from. Without a place to keep definitions there are none.
 */
export function cohortRoutes(table: RouteTable, dependencies: ServingDependencies): void {
  const { cohorts } = dependencies;
  if (cohorts === undefined) return;
  const routes = new CohortRoutes(dependencies, cohorts);
  const all = cohortDescriptions;
  table.add(all.list, () => routes.list());
  table.add(all.check, (context) => routes.check(context));
  table.add(all.show, (context) => routes.show(context));
  table.add(all.put, (context) => routes.put(context));
  table.add(all.remove, (context) => routes.remove(context));
  table.add(all.versions, (context) => routes.versions(context));
  table.add(all.count, (context) => routes.count(context));
  table.add(all.attrition, (context) => routes.attrition(context));
  table.add(all.breakdown, (context) => routes.breakdown(context));
  table.add(all.feasibility, (context) => routes.feasibility(context));
  table.add(all.diff, (context) => routes.diff(context));
  table.add(all.members, (context) => routes.members(context, undefined));
  for (const format of resultFormats) {
    table.add(membersIn(format), (context) => routes.members(context, format));
  }
  table.add(all.makeDataset, (context) => routes.makeDataset(context));
  table.add(all.dataset, (context) => routes.dataset(context));
}
