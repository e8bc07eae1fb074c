/** The kinds of electronic health record this server can pretend to be. */
export type ProfileName = "full" | "no-history" | "no-since" | "hapi-like" | "cerner-like" | "epic-like";

/** What a server can do and how it behaves where the standards leave room, or where products are known to differ from them. */
export interface EhrProfile {
  /** Interactions `_history` on an instance, a type, the system; a missing one is answered 404. */
  readonly history: readonly ("instance" | "type" | "system")[];
  /**
   * How entries of histories are written: "plain" as FHIR's examples; "versioned" as HAPI does, with the version in request.url, POST for
   * every first version and no response.lastModified, so that the time of a delete is not told.
   */
  readonly historyEntries: "plain" | "versioned";
  /** Read of an old version by number. */
  readonly vread: boolean;
  /** Whether resources carry meta.versionId and meta.lastUpdated. */
  readonly meta: boolean;
  /** The search parameter `_lastUpdated`: "refused" answers 400, "ignored" finds everything. */
  readonly lastUpdatedSearch: "supported" | "refused" | "ignored";
  /** Unknown search parameters without a Prefer header: FHIR leaves the choice, most servers ignore them. */
  readonly unknownParameters: "ignored" | "refused";
  /** "snapshot": pages of a stored result; "offset": each page asks again, so that rows may move between pages. */
  readonly paging: "snapshot" | "offset";
  /** The form of next links. */
  readonly pageLinks: "opaque" | "getpages";
  /** For how long an identical search is answered from a stored result, unless the client sends Cache-Control: no-cache. */
  readonly reuseSearchMs: number;
  readonly prettyPrint: boolean;
  readonly defaultPageSize: number;
  readonly largestPageSize: number;
  readonly export: ExportProfile;
}

/** How `$export` behaves. */
export interface ExportProfile {
  readonly levels: readonly ("system" | "patient" | "group")[];
  readonly kickoff: readonly ("GET" | "POST")[];
  readonly since: "supported" | "ignored" | "refused";
  readonly until: "supported" | "ignored" | "refused";
  readonly typeFilter: "supported" | "one-per-type" | "ignored" | "refused";
  readonly elements: "supported" | "ignored" | "refused";
  /** Whether `_type=A&_type=B` is read; a comma list always is. */
  readonly repeatedType: boolean;
  readonly unknownParameters: "refused" | "ignored";
  /** Whether the manifest of an export with `_since` lists deletes. */
  readonly deleted: boolean;
  readonly partialManifests: boolean;
  /** Names of manifest members; "outcome" is the name that STU4 gives to `error`. */
  readonly errorMember: "error" | "outcome" | "absent";
  readonly requestMember: boolean;
  readonly countMember: boolean;
  /** Members of the manifest's `deleted` may carry a type of the server's choice. */
  readonly rowsPerFile: number;
  /** A second job is refused with 429: per client, per client and group, or never. */
  readonly jobLimit: "none" | "client" | "group";
  /** How a finished file is served. */
  readonly files: "direct" | "other-origin" | "binary";
  readonly gzip: boolean;
  /** Requests without Accept and Prefer headers are refused. */
  readonly strictHeaders: boolean;
  readonly pollPath: "path" | "query";
  /** Whether manifests say requiresAccessToken although the server demands no token. */
  readonly claimsToken: boolean;
  /** "forgets": the job and its files are gone; "not-found": a finished job answers 404 to DELETE and stays, as HAPI does. */
  readonly deleteFinished: "forgets" | "not-found";
}

const fullExport: ExportProfile = {
  levels: ["system", "patient", "group"],
  kickoff: ["GET", "POST"],
  since: "supported",
  until: "supported",
  typeFilter: "supported",
  elements: "supported",
  repeatedType: true,
  unknownParameters: "refused",
  deleted: true,
  partialManifests: true,
  errorMember: "error",
  requestMember: true,
  countMember: true,
  rowsPerFile: 10_000,
  jobLimit: "none",
  files: "direct",
  gzip: true,
  strictHeaders: true,
  pollPath: "path",
  claimsToken: false,
  deleteFinished: "forgets",
};

const full: EhrProfile = {
  history: ["instance", "type", "system"],
  historyEntries: "plain",
  vread: true,
  meta: true,
  lastUpdatedSearch: "supported",
  unknownParameters: "ignored",
  paging: "snapshot",
  pageLinks: "opaque",
  reuseSearchMs: 0,
  prettyPrint: false,
  defaultPageSize: 50,
  largestPageSize: 1000,
  export: fullExport,
};

const PROFILES: Readonly<Record<ProfileName, EhrProfile>> = {
  /** All of the standards. */
  full,
  /** Versions are not told apart afterwards and nobody lists deletes: they show only as 410 on read and as missing ids. */
  "no-history": {
    ...full,
    history: [],
    vread: false,
    export: { ...fullExport, deleted: false },
  },
  /** The common export of a group: always everything, without times, versions or deletes. */
  "no-since": {
    ...full,
    history: [],
    vread: false,
    meta: false,
    lastUpdatedSearch: "ignored",
    export: {
      ...fullExport,
      levels: ["group"],
      kickoff: ["GET"],
      since: "ignored",
      until: "ignored",
      typeFilter: "ignored",
      elements: "ignored",
      deleted: false,
      partialManifests: false,
      unknownParameters: "ignored",
    },
  },
  /** As HAPI does it: stored result pages, printed for people, exports as Binary resources, no deletes in exports. */
  "hapi-like": {
    ...full,
    historyEntries: "versioned",
    unknownParameters: "refused",
    pageLinks: "getpages",
    reuseSearchMs: 60_000,
    prettyPrint: true,
    defaultPageSize: 20,
    largestPageSize: 200,
    export: {
      ...fullExport,
      deleted: false,
      partialManifests: false,
      elements: "ignored",
      countMember: false,
      files: "binary",
      gzip: false,
      strictHeaders: false,
      pollPath: "query",
      claimsToken: true,
      deleteFinished: "not-found",
      rowsPerFile: 1000,
    },
  },
  /** Strict about parameters, many tiny files on another origin, one job per client. */
  "cerner-like": {
    ...full,
    history: [],
    vread: false,
    unknownParameters: "refused",
    export: {
      ...fullExport,
      levels: ["group"],
      kickoff: ["GET"],
      until: "refused",
      typeFilter: "one-per-type",
      elements: "refused",
      repeatedType: false,
      deleted: false,
      partialManifests: false,
      countMember: false,
      rowsPerFile: 5,
      jobLimit: "client",
      files: "other-origin",
    },
  },
  /** Group exports of everything, one per client and group until it is deleted; no search by time. */
  "epic-like": {
    ...full,
    history: [],
    vread: false,
    lastUpdatedSearch: "refused",
    export: {
      ...fullExport,
      levels: ["group"],
      kickoff: ["GET"],
      since: "refused",
      until: "refused",
      elements: "ignored",
      deleted: false,
      partialManifests: false,
      countMember: false,
      rowsPerFile: 3000,
      jobLimit: "group",
    },
  },
};

/** Changes to a profile: any member of it, and any member of its export part. */
export type ProfileChanges = Partial<Omit<EhrProfile, "export">> & {
  readonly export?: Partial<ExportProfile>;
};

/** A profile by name, with changes. */
export function ehrProfile(name: ProfileName, changes: ProfileChanges = {}): EhrProfile {
  const profile = PROFILES[name];
  return { ...profile, ...changes, export: { ...profile.export, ...changes.export } };
}
