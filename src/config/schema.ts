import { z } from "zod";
import { cronProblem, isTimeZone } from "./cron.js";
import { notificationsSchema } from "./notifications-schema.js";
import { secretSchema } from "./secret.js";
import { securitySchema } from "./security-schema.js";
import { duration, size, url } from "./value-schemas.js";

/** Header names whose values are secrets. */
const SECRET_HEADER = /authoriz|token|secret|key|cookie|password|credential/i;

const headers = z
  .record(z.string().regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/), z.union([z.string(), secretSchema]))
  .superRefine((value, context) => {
    for (const [name, header] of Object.entries(value)) {
      if (typeof header !== "string" || !SECRET_HEADER.test(name)) continue;
      context.addIssue({
        code: "custom",
        path: [name],
        message: 'this header is a secret: write {"env": "NAME"} or {"file": "path"}',
      });
    }
  })
  .meta({ description: "headers sent with every request; secret ones by reference" });

const auth = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("none") }),
  z.strictObject({ kind: z.literal("basic"), user: z.string(), password: secretSchema }),
  z.strictObject({ kind: z.literal("bearer"), token: secretSchema }),
  z
    .strictObject({
      kind: z.literal("smart-backend"),
      clientId: z.string(),
      privateKey: secretSchema,
      keyId: z.string(),
      algorithm: z.enum(["RS384", "ES384"]),
      scope: z.string().optional(),
      tokenUrl: url.optional(),
      jwksUrl: url.optional(),
    })
    .meta({ description: "SMART Backend Services; the private key is a PEM or a JWK" }),
]);

const schedule = z.strictObject({
  cron: z.string().superRefine((text, context) => {
    const problem = cronProblem(text);
    if (problem !== undefined) context.addIssue({ code: "custom", message: problem });
  }),
  timeZone: z
    .string()
    .refine(isTimeZone, { error: "must be a time zone such as Europe/Berlin" })
    .default("UTC"),
});

const deletes = z.strictObject({
  policy: z
    .enum(["auto", "bulk", "history", "reconcile", "fullExportIsComplete", "none"])
    .default("auto")
    .meta({
      description:
        "how deletes are found: bulk (listed in exports), history, reconcile (ids compared now and then), fullExportIsComplete (what a full export lacks is deleted), none; auto takes what the server offers",
    }),
  cap: z
    .number()
    .min(0)
    .max(1)
    .default(0.2)
    .meta({ description: "a greater share of a type deleted by comparison stops the run and asks" }),
  every: duration.default("7d").meta({ description: "how often ids are reconciled" }),
});

const completeness = z.strictObject({
  sample: z
    .int()
    .min(0)
    .max(10_000)
    .default(20)
    .meta({ description: "live resources compared after each run" }),
  counts: z.boolean().default(true),
  references: z.boolean().default(true).meta({
    description: "count what the resources of a run refer to and the lake lacks",
  }),
});

const secondPass = z
  .strictObject({
    attachments: z
      .boolean()
      .default(false)
      .meta({ description: "read the Binary resources that attachments name" }),
    types: z
      .array(z.string().regex(/^[A-Z][A-Za-z]{1,63}$/))
      .default([])
      .meta({
        description: "read resources of these types that references name and the lake lacks",
      }),
    maxResources: z.int().min(1).max(10_000_000).default(10_000).meta({
      description: "resources asked for per export; what goes beyond is left and reported",
    }),
    maxSize: size.default("1GiB"),
    maxTime: duration.default("1h"),
  })
  .meta({ description: "resources outside the export, read one by one after it" });

const resourceType = z.string().regex(/^[A-Z][A-Za-z]{1,63}$/);

const source = z.strictObject({
  url,
  kind: z.enum(["auto", "bulk", "search"]).default("auto"),
  level: z
    .union([z.enum(["system", "patient"]), z.strictObject({ group: z.string().min(1) })], {
      error: 'must be "system", "patient" or {"group": "id"}',
    })
    .default("system"),
  types: z.array(resourceType).min(1).optional().meta({
    description: "resource types to load; what the server offers of the types that views read when absent",
  }),
  typeFilters: z.array(z.string().regex(/^[A-Z][A-Za-z]+\?.+/)).optional(),
  notifications: notificationsSchema.optional(),
  auth: auth.default({ kind: "none" }),
  headers: headers.default({}),
  fileOrigins: z.array(url).default([]).meta({
    description: "other origins that export files may come from; they never get credentials",
  }),
  proxy: z.union([url, secretSchema]).optional(),
  tls: z
    .strictObject({
      ca: z.string().optional(),
      certificate: z.string().optional(),
      key: z.string().optional(),
    })
    .optional()
    .meta({ description: "PEM files" }),
  order: z.enum(["time", "version"]).default("time"),
  schedule: schedule.optional(),
  overlap: duration.default("10m"),
  deletes: deletes.prefault({}),
  completeness: completeness.prefault({}),
  secondPass: secondPass.prefault({}),
  stalenessTarget: duration.optional().meta({ description: "data older than this is reported" }),
  concurrency: z.int().min(1).max(64).default(4),
  minInterval: duration.default("0ms").meta({ description: "least time between two requests" }),
  pageSize: z.int().min(1).max(10_000).default(500),
  requestTimeout: duration.default("60s"),
  attempts: z.int().min(1).max(100).default(8).meta({ description: "tries per request" }),
  exportDeadline: duration.default("30d"),
});

function isPlainRedisUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password } = new URL(text);
  return ["redis:", "rediss:"].includes(protocol) && username === "" && password === "";
}

const speed = z.strictObject({
  redis: z
    .union([
      z.string().refine(isPlainRedisUrl, {
        error:
          "must be a redis:// or rediss:// address; one with user and password in it is given as a secret",
      }),
      secretSchema,
    ])
    .optional()
    .meta({ description: "Redis that the serving processes of one lake share; REDIS_URL goes first" }),
});

const webhook = z.strictObject({
  url: z.union([url, secretSchema]),
  secret: secretSchema.optional().meta({ description: "key of the HMAC-SHA256 signature" }),
  on: z
    .array(z.enum(["failure", "staleness", "difference"]))
    .min(1)
    .default(["failure", "staleness", "difference"]),
});

const retention = z.strictObject({
  snapshots: z
    .int()
    .min(1)
    .optional()
    .meta({ description: "newest snapshots that scheduled runs keep; all when no rule is given" }),
  keepAll: duration.optional().meta({ description: "and all snapshots of so long" }),
  daily: z.int().min(1).optional().meta({ description: "and the last one of each of so many days (UTC)" }),
  monthly: z
    .int()
    .min(1)
    .optional()
    .meta({ description: "and the last one of each of so many months (UTC)" }),
  quarantine: duration.optional().meta({
    description: "how long refused input is kept; for ever when absent",
  }),
  landing: duration
    .default("0ms")
    .meta({ description: "how long landing files are kept after their commit" }),
  runs: duration.default("400d").meta({ description: "how long the records of runs are kept" }),
});

const limits = z.strictObject({
  maxLine: size.default("16MiB"),
  maxQuarantined: z.int().min(0).optional().meta({ description: "more refused lines than this end a run" }),
  workers: z.int().min(1).max(64).default(2),
});

const publish = z
  .strictObject({
    tables: z.array(z.string().min(1)).min(1).optional().meta({
      description: "resources, views, resources/<Type> or views/<name>; everything when absent",
    }),
    to: z.string().min(1).optional().meta({
      description: "folder or s3://bucket/prefix; the folder published/ of the lake when absent",
    }),
    raw: z.boolean().default(false).meta({ description: "publish the source text of resources too" }),
    retention: duration
      .default("7d")
      .meta({ description: "how long files that left a table stay for readers of earlier versions" }),
  })
  .meta({ description: "when present, runs publish what they commit as Delta Lake tables" });

/** Names of sources become parts of object keys and of resource keys. */
const sourceName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/);

/** The layout of `fhir-lake.config.json`. */
export const configSchema = z
  .strictObject({
    $schema: z.string().optional(),
    lake: z
      .string()
      .min(1)
      .optional()
      .meta({ description: "folder (relative to this file) or s3://bucket/prefix" }),
    memory: size.optional().meta({
      description: "bound for the process, 1GiB when absent; a server takes half as much more for reads",
    }),
    views: z.array(z.string()).default([]).meta({ description: "folders of further ViewDefinitions" }),
    queries: z.array(z.string()).default([]).meta({ description: "folders of further saved queries" }),
    sources: z.record(sourceName, source).default({}),
    speed: speed.prefault({}),
    security: securitySchema.prefault({}),
    retention: retention.prefault({}),
    publish: publish.optional(),
    webhooks: z.array(webhook).default([]),
    limits: limits.prefault({}),
  })
  .meta({ title: "fhir-lake configuration" });

/** A checked configuration with every default filled in. */
export type Config = z.infer<typeof configSchema>;

/** One source of a configuration. */
export type SourceConfig = Config["sources"][string];

/** How a configured source's changes arrive between runs. */
export type NotificationsConfig = NonNullable<SourceConfig["notifications"]>;

/** One webhook of a configuration. */
export type WebhookConfig = Config["webhooks"][number];

/** A source that is described on a command line instead of in a file. */
export function adHocSource(settings: z.input<typeof source>): SourceConfig {
  return source.parse(settings);
}
