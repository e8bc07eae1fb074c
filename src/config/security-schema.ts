import { z } from "zod";
import { secretSchema } from "./secret.js";
import { duration, url } from "./value-schemas.js";

function isSafeUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname } = new URL(text);
  return protocol === "https:" || ["localhost", "127.0.0.1", "[::1]"].includes(hostname);
}

const algorithms = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
] as const;

const roleName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/);

const issuer = z.strictObject({
  issuer: z.string().min(1).meta({ description: "the iss of its tokens, to the letter" }),
  audience: z.string().min(1).meta({ description: "what tokens for this server have among their aud" }),
  keys: z
    .union([
      url.refine(isSafeUrl, { error: "must be an https address" }),
      z.strictObject({ file: z.string().min(1) }),
    ])
    .meta({ description: "address of its key set (jwks_uri), or a file that holds one" }),
  algorithms: z
    .array(z.enum(algorithms))
    .min(1)
    .default(["RS256", "ES256"])
    .meta({ description: "signature algorithms that are believed" }),
  rolesClaim: z
    .string()
    .regex(/^[^.]+(\.[^.]+)*$/)
    .default("roles")
    .meta({ description: "claim that names roles; a path such as realm_access.roles" }),
  defaultRole: roleName.optional().meta({ description: "role of tokens that name none" }),
  scopesGrant: z
    .boolean()
    .default(false)
    .meta({ description: "scopes alone grant what they say to tokens without a role" }),
  maxLifetime: duration.default("24h").meta({ description: "tokens that end later are refused" }),
});

const names = z.array(z.string().min(1)).min(1);

const rowRule = z.union(
  [
    z.strictObject({ column: z.string().min(1), in: z.array(z.string()) }),
    z.strictObject({ column: z.string().min(1), notIn: z.array(z.string()) }),
    z.strictObject({ column: z.string().min(1), startsWith: z.array(z.string()) }),
  ],
  { error: 'must be {"column": "…"} with one of in, notIn and startsWith, each a list of texts' },
);

const columnRule = z.enum(["keep", "drop", "year", "shift", "zip3", "hash", "cap90"]);

const role = z.strictObject({
  permissions: names.meta({
    description:
      "of metadata.read, views.read, sql.run, cohorts.read, cohorts.write, pins.write, operations.read, operations.write",
  }),
  views: names.optional().meta({ description: "views that exist for the role; all when absent" }),
  resources: z
    .array(z.string().regex(/^[A-Z][A-Za-z]{1,63}$/))
    .min(1)
    .optional()
    .meta({ description: "resource types whose views exist for the role; all when absent" }),
  deidentify: z
    .boolean()
    .default(false)
    .meta({ description: "treat every column by its class of personal data" }),
  columns: z
    .record(z.string(), z.record(z.string(), columnRule))
    .default({})
    .meta({ description: "by view, or * for all: rules of single columns" }),
  rows: z
    .record(z.string(), z.array(rowRule))
    .default({})
    .meta({ description: "by view, or * for all: conditions that rows must meet" }),
  shiftDays: z.int().min(7).max(3650).default(365).meta({
    description: "dates of a person move back by 1 to so many days",
  }),
});

/** Who may ask a server what. */
export const securitySchema = z.strictObject({
  secret: secretSchema.optional().meta({
    description:
      "at least 32 characters that pseudonyms, links, cursors and the audit log are made with; kept in the lake when absent",
  }),
  local: z
    .union([z.literal(false), roleName])
    .optional()
    .meta({ description: "role of callers without a credential on this machine; false for none" }),
  issuers: z.array(issuer).default([]),
  roles: z.record(roleName, role).default({}),
  limits: z
    .strictObject({
      requestsPerMinute: z.int().min(1).default(1200),
      concurrentQueries: z.int().min(1).default(16),
      querySecondsPerHour: z.int().min(1).default(7200),
    })
    .prefault({})
    .meta({ description: "what one caller may use of one server" }),
  audit: z
    .enum(["auto", "on", "off"])
    .default("auto")
    .meta({ description: "auto: on where callers say who they are" }),
});

/** The checked `security` section of a configuration. */
export type SecurityConfig = z.infer<typeof securitySchema>;
