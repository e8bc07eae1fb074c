import { z } from "zod";

const processIdentity = z.object({ host: z.string(), pid: z.number(), space: z.string(), began: z.string() });

/** A job as it is kept in a file. */
export const jobSchema = z.object({
  id: z.string(),
  /** `gone`: it ended without a result, or its result was removed; `reason` says why. */
  state: z.enum(["queued", "running", "done", "failed", "gone"]),
  reason: z.string().optional(),
  /** Whose it is; see `ServingDependencies.owner`. */
  owner: z.string().default(""),
  /** Name of the saved query, or `answer`. */
  name: z.string(),
  format: z.string(),
  contentType: z.string(),
  /** ISO instants. */
  createdAt: z.string(),
  updatedAt: z.string(),
  endedAt: z.string().optional(),
  expiresAt: z.string().optional(),
  rows: z.number(),
  expectedRows: z.number().nullable(),
  bytes: z.number(),
  /** Hex, of the whole result. */
  sha256: z.string().optional(),
  /** Headers of the result that say what state it is from and how far it reaches. */
  headers: z.record(z.string(), z.string()),
  error: z.object({ code: z.string(), message: z.string() }).optional(),
  /** The server that runs it. */
  process: processIdentity,
});

/** A statement whose answer is written to a file, to be fetched later. */
export type Job = z.infer<typeof jobSchema>;

/** How many jobs there may be, and for how long. */
export interface JobLimits {
  /** Run at once; others wait. */
  readonly running: number;
  readonly waiting: number;
  /** Of all results together. */
  readonly diskBytes: number;
  /** Longest time of one job. */
  readonly deadlineMs: number;
  /** How long a result can be fetched. */
  readonly resultMs: number;
  /** How long a job is remembered after its end. */
  readonly recordMs: number;
}

/** One at a time, a hundred waiting, 10 GiB, an hour; results for a day, records for a week. */
export const JOB_LIMITS: JobLimits = {
  running: 1,
  waiting: 100,
  diskBytes: 10 * 2 ** 30,
  deadlineMs: 3_600_000,
  resultMs: 86_400_000,
  recordMs: 7 * 86_400_000,
};
