import type { FhirHttp } from "../http/index.js";

/** What is exported: everything, all patients' compartments, or those of a Group's members. */
export type ExportLevel =
  | { readonly kind: "system" }
  | { readonly kind: "patient" }
  | { readonly kind: "group"; readonly id: string };

/** What is asked of the server. A change of any of it is another export. */
export interface ExportRequest {
  readonly level: ExportLevel;
  /** `_type`. Should always be given: without it the server sends whatever the credentials allow. */
  readonly types?: readonly string[];
  /** `_since`: FHIR instant, usually the `transactionTime` of the last export. */
  readonly since?: string;
  /** `_until` (Bulk Data 3). */
  readonly until?: string;
  /** `_typeFilter`: `Type?search`, several of one type are alternatives. */
  readonly typeFilters?: readonly string[];
  /** `_elements`. The server cuts resources down, so this needs `idsOnly`. */
  readonly elements?: readonly string[];
  /** The files are read for ids and never stored: the only use that allows `elements`. */
  readonly idsOnly?: boolean;
  /** `_outputFormat`; not sent unless given, because NDJSON is what servers send. */
  readonly outputFormat?: string;
  /** `patient`: ids of the patients to export, for `POST` only. */
  readonly patients?: readonly string[];
  /** `includeAssociatedData`. */
  readonly includeAssociatedData?: readonly string[];
  /** Default `GET`, which every published version takes; Bulk Data 4 knows `POST` only. */
  readonly kickoff?: "GET" | "POST";
  /** How several types are sent. Default: `comma` for `GET`, `repeat` for `POST`. */
  readonly typeList?: "comma" | "repeat";
  /** Ask for files before the whole job is done (Bulk Data 3). */
  readonly allowPartialManifests?: boolean;
}

/** Options of {@link exportBulk}. */
export interface ExportOptions extends ExportRequest {
  readonly http: FhirHttp;
  /** Persistent folder, exclusively this export's. */
  readonly workDir: string;
  /**
   * The watermark: work in progress whose `transactionTime` is not later has been committed already, or is too old to be compared with what
   * has, and is begun anew. A job begun in this very call is taken whatever its time.
   */
  readonly newerThan?: string;
  /** Files fetched at once; the client's own limit holds as well. Default 4. */
  readonly downloadConcurrency?: number;
  /** Longest wait between two polls that the server can impose. Default 300,000 ms. */
  readonly maxWaitMs?: number;
  /** How long the job may take, from its first request, over all restarts. Default 30 days. */
  readonly deadlineMs?: number;
  /** False: a file whose number of lines differs from the manifest's `count` is taken and reported, for servers that count wrongly. */
  readonly trustCounts?: boolean;
  /** True: this server is known to list deletes, so an empty `deleted` list says that there were none. */
  readonly emptyDeletedMeansNone?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: ExportProgress) => void;
  /** Events as other bulk clients log them, with URLs and words that can hold secrets or PHI left out. */
  readonly log?: (event: ExportEvent) => void;
  /** Called at named points, right after what they name is durable. For tests that end the process there. */
  readonly checkpoint?: (label: string) => void;
}

/** How far an export is. */
export interface ExportProgress {
  readonly phase: "kick-off" | "waiting" | "downloading" | "complete";
  /** The server's own words (`X-Progress`), cleaned, at most 100 characters. */
  readonly server?: string;
  /** Until the next poll. */
  readonly waitMs?: number;
  readonly filesDone: number;
  /** So far as known: later pages of the manifest add to it. */
  readonly filesTotal: number;
  readonly lines: number;
  /** On the disk, of finished files. */
  readonly bytes: number;
}

/** One line of an export log. */
export interface ExportEvent {
  /** The job's polling URL without its query; empty before there is one. */
  readonly exportId: string;
  /** ISO 8601. */
  readonly timestamp: string;
  readonly eventId:
    | "kickoff"
    | "status_progress"
    | "status_page_complete"
    | "status_complete"
    | "manifest_complete"
    | "status_error"
    | "download_request"
    | "download_complete"
    | "download_error"
    | "export_complete"
    | "job_lost"
    | "cancelled";
  readonly eventDetail: Readonly<Record<string, unknown>>;
}
