import type { RegisteredView } from "#batch";
import type { SourceConfig } from "#config";
import { type ExportLevel, type FhirHttp, readCapabilities, type SourceCapabilities } from "#ingestion";
import { LakeError } from "#kernel";

/** How a source is going to be read. */
export interface Choice {
  readonly kind: "bulk" | "search";
  readonly history: boolean;
  readonly types: readonly string[];
}

/** The resource types that the views select from, sorted. */
export function viewTypes(views: ReadonlyMap<string, RegisteredView>): string[] {
  const types = new Set<string>();
  for (const view of views.values()) {
    const { resource } = JSON.parse(view.text) as { resource?: unknown };
    if (typeof resource === "string") types.add(resource);
  }
  return [...types].sort();
}

/** The configured level in the client's words. */
export function exportLevel({ level }: SourceConfig): ExportLevel {
  return typeof level === "string" ? { kind: level } : { kind: "group", id: level.group };
}

function typesOf(
  config: SourceConfig,
  capabilities: SourceCapabilities | undefined,
  fromViews: readonly string[],
): readonly string[] {
  if (config.types !== undefined) return config.types;
  const declared = new Set(capabilities?.declaredTypes ?? []);
  return declared.size === 0 ? fromViews : fromViews.filter((type) => declared.has(type));
}

/**
 * Bulk export where the server offers it at the configured level, else search, with histories where deletes are wanted and the server has
 * them. What the configuration says outright is not probed for. Errors: `source-run/no-types`, `source-run/no-bulk`, those of requests.
 */
export async function choose(
  config: SourceConfig,
  http: FhirHttp,
  views: ReadonlyMap<string, RegisteredView>,
  signal: AbortSignal,
): Promise<Choice> {
  const fromViews = viewTypes(views);
  const wantsHistory = config.deletes.policy === "auto" || config.deletes.policy === "history";
  const plain = config.kind === "bulk" && config.types !== undefined;
  const capabilities = plain
    ? undefined
    : await readCapabilities({ http, types: config.types ?? fromViews, signal });
  const types = typesOf(config, capabilities, fromViews);
  if (types.length === 0) {
    throw new LakeError(
      "invalid-input",
      "source-run/no-types",
      "The server offers none of the types that the views read; name the types to load in the source's configuration.",
    );
  }
  const offered = capabilities?.bulkExport[exportLevel(config).kind] ?? true;
  const kind = config.kind === "auto" ? (offered ? "bulk" : "search") : config.kind;
  const available = capabilities !== undefined && allHaveHistory(capabilities, types);
  const history = kind === "search" && wantsHistory && (config.deletes.policy === "history" || available);
  return { kind, history, types };
}

function allHaveHistory(
  { systemHistory, types: found }: SourceCapabilities,
  types: readonly string[],
): boolean {
  return systemHistory || types.every((type) => found.some((one) => one.type === type && one.history));
}

/** Whether histories of all these types (or of the system) can be read. */
export async function hasHistory(
  http: FhirHttp,
  types: readonly string[],
  signal: AbortSignal,
): Promise<boolean> {
  return allHaveHistory(await readCapabilities({ http, types, signal }), types);
}
