// The import rules of docs/architecture.md. Each module lists what it may import; everything may import kernel.
const allowed = {
  kernel: [],
  fhir: [],
  duckdb: [],
  storage: [],
  events: [],
  plan: ["fhir"],
  fhirpath: ["plan", "fhir"],
  views: ["fhirpath", "plan", "fhir"],
  sql: ["plan", "fhir"],
  compiler: ["views", "fhirpath", "plan", "sql", "fhir"],
  landing: ["storage", "fhir"],
  lake: ["storage", "duckdb", "fhir", "landing", "sql"],
  batch: ["lake", "landing", "compiler", "duckdb", "fhir"],
  delta: ["lake", "runs", "storage", "duckdb", "fhir"],
  speed: ["events", "lake", "landing", "compiler", "duckdb", "fhir", "sql"],
  query: ["speed", "lake", "batch", "compiler", "duckdb", "fhir", "sql"],
  synthetic: [],
  config: [],
  runs: ["storage"],
};
const edges = {
  ingestion: ["fhir", "landing", "storage"],
  serving: ["query", "views", "compiler", "fhir", "runs"],
};

const tests = "\\.(test|prop\\.test|contract)\\.ts$";
const any = (names) => (names.length === 0 ? "(?!)" : `(${names.join("|")})`);

const layers = Object.entries(allowed).map(([module, may]) => ({
  name: `${module}-imports`,
  comment: `src/${module} may import ${["kernel", ...may].join(", ")} only`,
  severity: "error",
  from: { path: `^src/${module}/`, pathNot: tests },
  to: { path: "^(src/|ingestion/|serving/)", pathNot: `^src/${any([module, "kernel", ...may])}/` },
}));
const edgeLayers = Object.entries(edges).map(([module, may]) => ({
  name: `${module}-imports`,
  comment: `${module} may import ${["kernel", ...may].join(", ")} only`,
  severity: "error",
  from: { path: `^${module}/`, pathNot: tests },
  to: { path: "^(src/|ingestion/|serving/)", pathNot: `^(${module}/|src/${any(["kernel", ...may])}/)` },
}));
const sole = (name, packagePath, owner) => ({
  name: `only-${name}`,
  comment: `only ${owner} may import ${name}`,
  severity: "error",
  from: { path: "^(src|ingestion|serving)/", pathNot: [owner, tests] },
  to: { path: packagePath },
});

module.exports = {
  forbidden: [
    { name: "no-circular", severity: "error", from: {}, to: { circular: true } },
    {
      name: "front-door",
      comment: "other modules are imported through their index.ts only",
      severity: "error",
      from: { path: "^src/([^/]+)/", pathNot: tests },
      to: { path: "^src/([^/]+)/.+", pathNot: ["^src/$1/", "^src/[^/]+/index\\.ts$"] },
    },
    {
      name: "front-door-from-edges",
      severity: "error",
      from: { path: "^(ingestion|serving)/", pathNot: tests },
      to: { path: "^src/[^/]+/", pathNot: "^src/[^/]+/index\\.ts$" },
    },
    {
      name: "nobody-imports-app",
      severity: "error",
      from: { pathNot: "^src/app/" },
      to: { path: "^src/app/" },
    },
    { name: "no-unresolved", severity: "error", from: {}, to: { couldNotResolve: true } },
    sole("duckdb", "node_modules/@duckdb/", "^src/duckdb/"),
    sole("node-cron", "node_modules/node-cron/", "^src/config/"),
    sole("fhir-kit-client", "node_modules/fhir-kit-client/", "^ingestion/search/"),
    sole("s3", "node_modules/@aws-sdk/", "^src/storage/"),
    sole("hono", "node_modules/(hono|@hono)/", "^(serving|ingestion/subscriptions)/"),
    sole("ucum", "node_modules/@atomic-ehr/", "^src/query/cohort/"),
    sole("prom-client", "node_modules/prom-client/", "^serving/observe/"),
    sole("opentelemetry-sdk", "node_modules/@opentelemetry/(?!api/)", "^src/app/tracing\\.ts$"),
    sole("rate-limiter-flexible", "node_modules/rate-limiter-flexible/", "^serving/access/"),
    sole("jose", "node_modules/jose/", "^(serving/access|ingestion)/"),
    sole("undici", "node_modules/undici/", "^ingestion/http/"),
    ...layers,
    ...edgeLayers,
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "^dist/" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.test.json" },
    enhancedResolveOptions: {
      conditionNames: ["source", "import", "node", "default"],
      exportsFields: ["exports"],
    },
  },
};
