import type { Database, RunOptions } from "#duckdb";
import type { SnapshotReader } from "../catalog.js";
import { type CompiledCohort, compileCohort, type ResolvedCohort } from "./compiled.js";
import type { CohortTest, RuleCohort } from "./definition.js";
import { ruleNames } from "./english.js";
import type { ResourceVersion, ResourceVersions } from "./resource-versions.js";
import type { BoundEvents } from "./statement.js";

/** Something that made a person enter or leave. */
export interface ChangeCause {
  /** The rule whose answer changed, as attrition names it; `with an index` for the entry. */
  readonly criterion: string;
  /** Where it stands in its definition. */
  readonly path: string;
  /** `<source>/<Type>/<id>` */
  readonly resource: string;
  /** The version that counted at each end; null where it did not, or where it is no longer there. */
  readonly from: Pick<ResourceVersion, "version" | "lastUpdated"> | null;
  readonly to: Pick<ResourceVersion, "version" | "lastUpdated"> | null;
}

/** A person who entered or left. */
export interface MemberChange {
  readonly person: string;
  readonly causes: readonly ChangeCause[];
}

/** What changed between two snapshots. */
export interface CohortDiff {
  readonly from: number;
  readonly to: number;
  readonly enteredCount: number;
  readonly leftCount: number;
  /** The first of them by key. */
  readonly entered: readonly MemberChange[];
  readonly left: readonly MemberChange[];
  /** Some are left out because of the limit. */
  readonly truncated: boolean;
}

/** What to compare. */
export interface DiffRequest {
  readonly database: Database;
  readonly cohort: ResolvedCohort;
  readonly from: SnapshotReader;
  readonly to: SnapshotReader;
  readonly versions: ResourceVersions;
  /** Most persons that are named, of those who entered and of those who left. */
  readonly limit: number;
}

type Compiled = CompiledCohort<undefined>;

interface Standing {
  readonly mask: bigint;
  readonly low: number;
  readonly high: number;
  readonly member: boolean;
}

/** A record that counts for something: `event` is the number of a criterion over a view, -1 the person's own record. */
interface Evidence {
  readonly event: number;
  readonly person: string;
  readonly type: string;
  readonly key: string;
}

async function standings(
  { database }: DiffRequest,
  compiled: Compiled,
  options: RunOptions,
): Promise<Map<string, Standing>> {
  const rows = await database.with((connection) =>
    connection.rows<{ person: string; mask: string; low: number; high: number; member: boolean }>(
      `${compiled.head} SELECT person, mask, low, high, ${compiled.isMember} AS member FROM marked`,
      compiled.statement.bindings.values,
      options,
    ),
  );
  return new Map(rows.map(({ person, mask, ...rest }) => [person, { ...rest, mask: BigInt(mask) }]));
}

function evidenceSql(
  { scan, flag, meets, matches, path }: BoundEvents,
  event: number,
  persons: string,
): string {
  const from = `FROM ${scan.name} AS r LEFT JOIN idx AS i ON i.person = r.person WHERE r.person IN ${persons}`;
  const which = path.startsWith("entry") ? meets : `r.${flag} AND (i.person IS NULL OR (${matches}))`;
  return `SELECT DISTINCT ${event} AS event, r.person AS person, '${scan.shape.view.resource}' AS type, r.k::VARCHAR AS key ${from} AND ${which}`;
}

async function evidence(
  { database }: DiffRequest,
  compiled: Compiled,
  persons: readonly string[],
  options: RunOptions,
): Promise<Evidence[]> {
  const { bindings, events } = compiled.statement;
  const list = bindings.texts(persons);
  const own = `SELECT -1, person, 'Patient', k::VARCHAR FROM patients WHERE person IN ${list}`;
  const selects = [...events.map((event, index) => evidenceSql(event, index, list)), own];
  return await database.with((connection) =>
    connection.rows<Evidence>(`${compiled.head}\n${selects.join("\nUNION ALL ")}`, bindings.values, options),
  );
}

function readsPerson(test: CohortTest): boolean {
  if (test.kind === "age" || test.kind === "sex") return true;
  if (test.kind === "not") return readsPerson(test.test);
  return test.kind !== "events" && test.tests.some(readsPerson);
}

/** Something whose answer may have changed, and the criteria over views that it consists of. */
interface Part {
  readonly name: string;
  readonly path: string;
  readonly bit: bigint;
  readonly events: readonly number[];
}

function partsOf(cohort: RuleCohort, events: readonly BoundEvents[]): readonly Part[] {
  const names = ruleNames(cohort);
  const below = (path: string): number[] =>
    events.flatMap((event, index) =>
      event.path === path || event.path.startsWith(`${path}.`) ? [index] : [],
    );
  const observed = cohort.censor === undefined ? [] : [{ path: "censor", own: cohort.censor.death }];
  const rules = [...cohort.include, ...cohort.exclude].map(({ path, test }) => ({
    path,
    own: readsPerson(test),
  }));
  const entry: Part = { name: "with an index", path: "entry", bit: 0n, events: [-1, ...below("entry")] };
  const marked = [...observed, ...rules].map(({ path, own }, index) => ({
    name: names[index]!,
    path,
    bit: 2n ** BigInt(index),
    events: own ? [-1, ...below(path)] : below(path),
  }));
  return [entry, ...marked];
}

/** The parts whose answer differs between two standings. Where the index has moved, the entry is always one. */
function changedParts(
  parts: readonly Part[],
  a: Standing | undefined,
  b: Standing | undefined,
): readonly Part[] {
  const entry = parts.find(({ path }) => path === "entry")!;
  if (a === undefined || b === undefined) return [entry];
  const moved = a.low !== b.low || a.high !== b.high;
  const changed = parts.filter(({ bit }) => (a.mask & bit) !== (b.mask & bit));
  return moved ? [entry, ...changed] : changed;
}

class Versions {
  private readonly found: readonly [Map<string, ResourceVersion>, Map<string, ResourceVersion>] = [
    new Map(),
    new Map(),
  ];

  async load(request: DiffRequest, all: readonly Evidence[]): Promise<void> {
    const byType = new Map<string, Set<string>>();
    for (const { type, key } of all) byType.set(type, (byType.get(type) ?? new Set()).add(key));
    for (const [type, keys] of byType) {
      for (const [side, { id }] of [request.from, request.to].entries()) {
        for (const [key, version] of await request.versions(id, type, [...keys]))
          this.found[side]!.set(key, version);
      }
    }
  }

  at(side: 0 | 1, key: string): ResourceVersion | undefined {
    return this.found[side].get(key);
  }
}

function causesOf(
  person: string,
  parts: readonly Part[],
  sides: readonly [readonly Evidence[], readonly Evidence[]],
  versions: Versions,
): ChangeCause[] {
  const counted = (side: 0 | 1, part: Part): Set<string> =>
    new Set(
      sides[side]
        .filter((one) => one.person === person && part.events.includes(one.event))
        .map(({ key }) => key),
    );
  const short = (version: ResourceVersion | undefined): ChangeCause["from"] =>
    version === undefined ? null : { version: version.version, lastUpdated: version.lastUpdated };
  return parts.flatMap((part) => {
    const [before, after] = [counted(0, part), counted(1, part)];
    return [...new Set([...before, ...after])].sort().flatMap((key): ChangeCause[] => {
      const [a, b] = [versions.at(0, key), versions.at(1, key)];
      const same = before.has(key) === after.has(key);
      if (same && a?.version === b?.version && a?.lastUpdated === b?.lastUpdated) return [];
      return [
        {
          criterion: part.name,
          path: part.path,
          resource: (a ?? b)?.resource ?? key,
          from: short(a),
          to: short(b),
        },
      ];
    });
  });
}

/** Why these persons stand as they do at one end and not at the other. */
async function explain(
  request: DiffRequest,
  persons: readonly string[],
  options: RunOptions,
): Promise<Map<string, ChangeCause[]>> {
  const { cohort, database, from, to } = request;
  if ("parts" in cohort) {
    const all = new Map<string, ChangeCause[]>();
    for (const part of cohort.parts) {
      const found = await explain({ ...request, cohort: part }, persons, options);
      for (const [person, causes] of found) all.set(person, [...(all.get(person) ?? []), ...causes]);
    }
    return all;
  }
  const compile = (snapshot: SnapshotReader): Promise<Compiled> =>
    compileCohort(
      database,
      snapshot,
      cohort,
      { extend: () => undefined },
      options.signal === undefined ? {} : { signal: options.signal },
    );
  const [before, after] = [await compile(from), await compile(to)];
  const [a, b] = [await standings(request, before, options), await standings(request, after, options)];
  const sides = [
    await evidence(request, before, persons, options),
    await evidence(request, after, persons, options),
  ] as const;
  const versions = new Versions();
  await versions.load(request, [...sides[0], ...sides[1]]);
  const parts = partsOf(cohort.definition, after.statement.events);
  return new Map(
    persons.map((person) => {
      const [x, y] = [a.get(person), b.get(person)];
      if (x === undefined && y === undefined) return [person, []];
      return [person, causesOf(person, changedParts(parts, x, y), sides, versions)];
    }),
  );
}

/** Compares the members of a cohort in two snapshots and names the versions of resources behind each change. */
export async function changesBetween(request: DiffRequest, options: RunOptions = {}): Promise<CohortDiff> {
  const { cohort, database, from, to, limit } = request;
  const membersAt = async (snapshot: SnapshotReader): Promise<Set<string>> => {
    const compiled = await compileCohort(database, snapshot, cohort, { extend: () => undefined });
    const all = await standings(request, compiled, options);
    return new Set([...all].filter(([, { member }]) => member).map(([person]) => person));
  };
  const [before, after] = [await membersAt(from), await membersAt(to)];
  const entered = [...after].filter((person) => !before.has(person)).sort();
  const left = [...before].filter((person) => !after.has(person)).sort();
  const named = [...entered.slice(0, limit), ...left.slice(0, limit)];
  const causes =
    named.length === 0 ? new Map<string, ChangeCause[]>() : await explain(request, named, options);
  const change = (person: string): MemberChange => ({ person, causes: causes.get(person) ?? [] });
  return {
    from: from.id,
    to: to.id,
    enteredCount: entered.length,
    leftCount: left.length,
    entered: entered.slice(0, limit).map(change),
    left: left.slice(0, limit).map(change),
    truncated: entered.length > limit || left.length > limit,
  };
}
