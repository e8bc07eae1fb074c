import type { FetchProblem } from "../source/fetched.js";

/** One issue of an OperationOutcome. */
export interface OutcomeIssue {
  readonly severity: FetchProblem["severity"];
  /** FHIR issue type, e.g. `throttled`; `unknown` when it is missing or no code. */
  readonly code: string;
  /** The server's words, cleaned and cut. They can name persons: shown only where the request rules that out. */
  readonly text?: string;
  /** FHIRPath or XPath of the elements concerned. */
  readonly places: readonly string[];
}

const SEVERITIES: ReadonlySet<string> = new Set(["fatal", "error", "warning", "information"]);
const MAX_TEXT = 300;

type Json = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Printable characters on one line, without the query of URLs and without what looks like a token, at most 300. */
export function cleanText(text: string): string {
  const line = text
    .slice(0, 4 * MAX_TEXT)
    .replace(/[\p{C}\s]+/gu, " ")
    .replace(/(https?:\/\/[^\s?#]*)[?#]\S*/gi, "$1")
    .replace(/[A-Za-z0-9_\-+/=.]{60,}/g, "…")
    .trim();
  return line.length > MAX_TEXT ? `${line.slice(0, MAX_TEXT)}…` : line;
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === "string") : [];
}

function issueOf(issue: Json): OutcomeIssue {
  const { severity, code } = issue;
  const details = isObject(issue["details"]) ? issue["details"]["text"] : undefined;
  const said = typeof issue["diagnostics"] === "string" ? issue["diagnostics"] : details;
  return {
    severity:
      typeof severity === "string" && SEVERITIES.has(severity)
        ? (severity as OutcomeIssue["severity"])
        : "error",
    code: typeof code === "string" && /^[a-z-]{1,40}$/.test(code) ? code : "unknown",
    ...(typeof said === "string" && said.trim() !== "" ? { text: cleanText(said) } : {}),
    places: [...texts(issue["expression"]), ...texts(issue["location"])],
  };
}

/** The issues of an OperationOutcome; empty for anything else. An issue of unknown severity counts as an error. */
export function readOutcome(body: unknown): readonly OutcomeIssue[] {
  if (!isObject(body) || body["resourceType"] !== "OperationOutcome") return [];
  const issues = body["issue"];
  return Array.isArray(issues) ? issues.filter(isObject).map(issueOf) : [];
}

/** `error: throttled`, several joined, with the server's words if `echo`; empty when there is none. */
export function describeIssues(issues: readonly OutcomeIssue[], echo: boolean): string {
  const seen = issues.map(({ severity, code, text }) => {
    const words = echo && text !== undefined ? `: ${text}` : "";
    return `${severity} ${code}${words}`;
  });
  return [...new Set(seen)].slice(0, 3).join("; ");
}

/** OperationOutcome codes that stand for a condition that may pass (bulk-data polling). */
const TRANSIENT: ReadonlySet<string> = new Set([
  "transient",
  "lock-error",
  "no-store",
  "exception",
  "timeout",
  "incomplete",
  "throttled",
]);

/** True when there are issues that are errors and all of these may pass (FHIR issue type `transient` and its children). */
export function isTransient(issues: readonly OutcomeIssue[]): boolean {
  const errors = issues.filter(({ severity }) => severity === "error" || severity === "fatal");
  return errors.length > 0 && errors.every(({ code }) => TRANSIENT.has(code));
}
