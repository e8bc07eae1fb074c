import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { storageFailure } from "#storage";
import { type OutcomeIssue, readOutcome } from "../http/index.js";
import { ANY_TYPE, type FetchProblem } from "../source/fetched.js";

/** What the server reported about an export, summed up. */
export interface ProblemReport {
  readonly problems: readonly FetchProblem[];
  /** Sorted. */
  readonly incompleteTypes: readonly string[];
}

/** Sums up problems; texts of the server are not kept, because they can name persons. */
export class ProblemTally {
  private readonly known: ReadonlySet<string>;
  private readonly counts = new Map<
    string,
    { problem: Omit<FetchProblem, "message">; code: string; n: number }
  >();
  private readonly others: FetchProblem[] = [];
  private readonly incomplete = new Set<string>();

  /** `knownTypes`: those asked for, else those that came. */
  constructor(knownTypes: Iterable<string>) {
    this.known = new Set(knownTypes);
  }

  add(problem: FetchProblem): void {
    this.others.push(problem);
  }

  /** Marks a type whose export is not whole; undefined: it is not known which, so all are. */
  markIncomplete(type: string | undefined): void {
    if (type !== undefined) this.incomplete.add(type);
    else if (this.known.size === 0) this.incomplete.add(ANY_TYPE);
    else for (const each of this.known) this.incomplete.add(each);
  }

  /** Takes in the OperationOutcomes of an `error` file. A line that is none counts as an error. */
  async readFile(file: string): Promise<void> {
    try {
      const input = createInterface({ input: createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY });
      for await (const line of input) {
        if (line.trim() !== "") for (const issue of issuesOf(line)) this.issue(issue);
      }
    } catch (error) {
      throw storageFailure("read", file, error);
    }
  }

  private issue(issue: OutcomeIssue): void {
    const { severity, code } = issue;
    const types = this.typesNamed(issue);
    if (severity === "fatal" || severity === "error") {
      if (types.length === 0) this.markIncomplete(undefined);
      for (const type of types) this.markIncomplete(type);
    }
    const type = types.length === 1 ? types[0] : undefined;
    const key = `${severity} ${code} ${type ?? ""}`;
    const seen = this.counts.get(key);
    const problem = { severity, ...(type === undefined ? {} : { type }) };
    if (seen === undefined) this.counts.set(key, { problem, code, n: 1 });
    else seen.n++;
  }

  /**
   * The types that an issue is about: those at the start of its expressions, else those its text names as a word. `Type/id`
   * in a text does not count, since it may be a reference to something that is not missing itself.
   */
  private typesNamed({ places, text }: OutcomeIssue): string[] {
    const roots = places.flatMap((place) => /^\/?(?:f:)?([A-Z][A-Za-z]+)/.exec(place)?.[1] ?? []);
    const exact = roots.filter((type) => this.known.has(type));
    if (exact.length > 0) return exact;
    const words = (text ?? "").match(/\b[A-Z][A-Za-z]+\b(?!\/)/g) ?? [];
    return [...new Set(words.filter((word) => this.known.has(word)))];
  }

  report(): ProblemReport {
    const summed = [...this.counts.values()].map(({ problem, code, n }) => ({
      ...problem,
      message: `The server reported ${n} ${n === 1 ? "issue" : "issues"} of code '${code}' with the export.`,
    }));
    return { problems: [...this.others, ...summed], incompleteTypes: [...this.incomplete].sort() };
  }
}

const UNREADABLE: readonly OutcomeIssue[] = [{ severity: "error", code: "unknown", places: [] }];

function issuesOf(line: string): readonly OutcomeIssue[] {
  try {
    const issues = readOutcome(JSON.parse(line.replace(/^\ufeff/, "")));
    return issues.length === 0 ? UNREADABLE : issues;
  } catch {
    return UNREADABLE;
  }
}
