import type { Severity } from "../outcome.js";

/** What goes wrong. */
export type Fault =
  /** The answer is this status; the request does nothing. `retryAfter` stands in the header as it is given. */
  | {
      readonly kind: "status";
      readonly status: number;
      readonly retryAfter?: string | number | { readonly dateInSeconds: number };
      readonly issueCode?: string;
      readonly body?: string;
      readonly headers?: Readonly<Record<string, string>>;
    }
  /** The request is answered, but the answer is lost: the connection is cut before its first byte. */
  | { readonly kind: "answer-lost" }
  /** The body ends after so many bytes as if it were whole. */
  | { readonly kind: "truncate"; readonly bytes: number }
  /** The connection is cut after so many bytes of the body. */
  | { readonly kind: "die"; readonly bytes: number }
  /** The request is redirected: to another origin (its path is kept) or to a whole URL. */
  | { readonly kind: "redirect"; readonly to: string; readonly status?: 301 | 302 | 303 | 307 | 308 }
  /** The answer comes later; with `bytes` the wait is after so many bytes of the body. */
  | { readonly kind: "delay"; readonly milliseconds: number; readonly bytes?: number }
  /** The counts of a manifest's output files are off by so much. */
  | { readonly kind: "wrong-count"; readonly by: number }
  /** Content-Length is off by so much (the body stays). */
  | { readonly kind: "wrong-length"; readonly by: number }
  /** The answer is the one that the request before it (of this rule) got. */
  | { readonly kind: "stale-page" }
  /** A line is put into an NDJSON body, before line `line` (0 is the first). */
  | { readonly kind: "garbage-line"; readonly text: string; readonly line: number }
  /** Bytes in the middle of a gzipped body are overwritten. */
  | { readonly kind: "corrupt-gzip" }
  /** The link is answered as expired. */
  | { readonly kind: "expire-link"; readonly status?: 403 | 404 | 410 }
  /** Bundle.total is off by so much. */
  | { readonly kind: "change-total"; readonly by: number }
  /** The manifest lists a file of OperationOutcomes; with `instead` the output files of that type are left out. */
  | {
      readonly kind: "error-file";
      readonly issues: readonly {
        readonly severity: Severity;
        readonly code?: string;
        readonly diagnostics: string;
      }[];
      readonly instead?: string;
    }
  /** A link or URL in a JSON answer is replaced, to lead to another origin or in a circle. */
  | { readonly kind: "replace-text"; readonly search: string; readonly replacement: string }
  /** The whole process ends at once, as by kill -9. Only for a server that runs as its own process. */
  | { readonly kind: "exit" };

/** When a fault strikes: all members given must hold. */
export interface FaultMatch {
  readonly method?: string;
  /** The exact path, such as `/fhir/Patient`. */
  readonly path?: string;
  /** A regular expression over path and query. */
  readonly pattern?: string;
  readonly origin?: "fhir" | "files";
}

/** A rule of the fault script. */
export interface FaultRule {
  readonly match: FaultMatch;
  /** Which of the matching requests are struck, counted from 1 (default: all). */
  readonly occurrences?: readonly number[] | { readonly from: number; readonly to?: number };
  readonly fault: Fault;
}
