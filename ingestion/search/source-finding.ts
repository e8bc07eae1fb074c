/** What is looked at. */
export type SourceCheck =
  | "connection"
  | "version"
  | "auth"
  | "type"
  | "since"
  | "meta"
  | "deletes"
  | "export"
  | "ids"
  | "limits"
  | "clock"
  | "client";

/** One thing that was found out about a source. */
export interface SourceFinding {
  readonly check: SourceCheck;
  /** The resource type concerned, where it is one. */
  readonly type?: string | undefined;
  readonly result: "ok" | "warning" | "failed" | "unknown";
  /** What was found, one sentence. */
  readonly message: string;
  /** What cannot be guaranteed because of it; absent when nothing is lost. */
  readonly guarantee?: string | undefined;
}
