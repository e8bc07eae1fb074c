import path from "node:path";
import { Database } from "#duckdb";
import { LakeError, systemClock } from "#kernel";
import {
  CohortService,
  CohortStore,
  createQuery,
  policedCatalog,
  type QueryService,
  ReleaseGuard,
  withSystemViews,
} from "#query";
import {
  Access,
  ApiKeys,
  type AuditEntry,
  type AuditLink,
  type AuditStream,
  AuditTrail,
  CallerLimits,
  CallerScope,
  Credentials,
  createApp,
  createLogger,
  type Issuer,
  type KeyRecord,
  type LimitSettings,
  newApiKey,
  type RoleDefinition,
  Roles,
  type ServingApp,
  SignedLinks,
  Tokens,
} from "#serving";
import { MemoryStore } from "./memory-store.js";
import { createParquetLake, type FixtureView, type ParquetLake } from "./parquet-lake.js";

/** What a guarded app is made with. */
export interface GuardedOptions {
  readonly views: readonly FixtureView[];
  readonly roles?: Readonly<Record<string, RoleDefinition>>;
  readonly issuers?: readonly Issuer[];
  readonly localRole?: string;
  readonly limits?: LimitSettings;
  /** False where nothing is recorded. */
  readonly audit?: boolean;
}

/** A server of a lake of Parquet files that asks who people are, without a socket. */
export interface GuardedApp {
  readonly app: ServingApp;
  readonly lake: ParquetLake;
  readonly query: QueryService;
  readonly records: Map<string, KeyRecord>;
  readonly links: AuditLink[];
  /** Lines of the log. */
  readonly lines: string[];
  readonly roles: Roles;
  /** Makes the audit log refuse, or not. */
  auditFails: boolean;
  /** A key for a role. */
  key(role: string): string;
  get(target: string, key?: string, headers?: Readonly<Record<string, string>>): Promise<Response>;
  entries(): AuditEntry[];
  close(): Promise<void>;
}

/** The chain in memory: the port that a journal implements elsewhere. */
export function memoryAudit(links: AuditLink[], fails: () => boolean = () => false): AuditStream {
  return {
    append: async (added, after) => {
      if (fails()) throw new Error("the disk is full");
      if (links.length !== after) return false;
      links.push(...added);
      return true;
    },
    last: async () => links.length,
    read: async function* (from) {
      for (const [index, link] of links.entries()) if (index + 1 >= from) yield { number: index + 1, link };
    },
  };
}

/** Keys of a test's own. */
export const AUDIT_KEY = new Uint8Array(32).fill(7);
const LINK_KEY = new Uint8Array(32).fill(9);

function noSuchPin(): Promise<never> {
  return Promise.reject(new LakeError("not-found", "lake/no-such-pin", "There is no such pin."));
}

/** Pins of a lake that has none. */
const noPins = { create: noSuchPin, list: async () => [], find: noSuchPin, release: noSuchPin };

/** Makes a guarded app over a lake of one snapshot. */
export async function createGuardedApp(options: GuardedOptions): Promise<GuardedApp> {
  const lake = await createParquetLake();
  await lake.commit(options.views);
  const database = await Database.open({ preserveInsertionOrder: true, threads: 2 });
  const temporaryFolder = path.join(lake.folder, "tmp");
  const scope = new CallerScope();
  const catalog = policedCatalog(withSystemViews(lake.catalog, []), {
    policy: () => scope.policy(),
    database,
  });
  const query = createQuery({ catalog, database, temporaryFolder });
  const store = new MemoryStore();
  const cohorts = new CohortService({
    catalog,
    database,
    temporaryFolder,
    store: new CohortStore(store, systemClock),
    smallCell: 0,
    guard: new ReleaseGuard(),
    versions: async () => new Map(),
  });
  const lines: string[] = [];
  const log = createLogger({ destination: { write: (line) => void lines.push(line) } });
  const records = new Map<string, KeyRecord>();
  const links: AuditLink[] = [];
  const now = (): Date => systemClock.now();
  const roles = new Roles(options.roles, "a key of a test's own");
  const keys = new ApiKeys({ get: async (id) => records.get(id) }, now);
  const tokens = new Tokens(options.issuers ?? [], now);
  const { localRole } = options;
  const credentials = new Credentials({ roles, keys, tokens, localRole, behindProxy: false });
  const made: GuardedApp = {
    lake,
    query,
    records,
    links,
    lines,
    roles,
    auditFails: false,
    app: createApp({
      catalog,
      query,
      cohorts,
      pins: noPins,
      clock: systemClock,
      log,
      access: new Access({
        scope,
        credentials,
        limits: new CallerLimits(options.limits),
        links: new SignedLinks(LINK_KEY, { roles, keys, credentials }, now),
        audit:
          options.audit === false
            ? undefined
            : new AuditTrail(
                memoryAudit(links, () => made.auditFails),
                AUDIT_KEY,
              ),
        clock: systemClock,
        log,
      }),
    }),
    key: (role) => {
      const { key, record } = newApiKey({ name: `a test's ${role}`, role, createdAt: now().toISOString() });
      records.set(record.id, record);
      return key;
    },
    get: async (target, key, headers = {}) =>
      await made.app.request(`http://localhost${target}`, {
        headers: { ...headers, ...(key === undefined ? {} : { Authorization: `Bearer ${key}` }) },
      }),
    entries: () => links.map(({ entry }) => JSON.parse(entry) as AuditEntry),
    close: async () => {
      await query.close();
      database.close();
      await lake.close();
    },
  };
  return made;
}
