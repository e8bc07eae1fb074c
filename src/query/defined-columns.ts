/** What a ViewDefinition says of one of its columns, beyond what it compiles to. */
export interface DefinedColumn {
  /** Value of its `fhir-lake/phi` tag: `direct-identifier`, `quasi-identifier`, `date` or `none`. */
  readonly phi: string | undefined;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function phiOf(column: Readonly<Record<string, unknown>>): string | undefined {
  const tags: unknown[] = Array.isArray(column["tag"]) ? column["tag"] : [];
  const tag = tags.find((one) => isRecord(one) && one["name"] === "fhir-lake/phi");
  return isRecord(tag) && typeof tag["value"] === "string" ? tag["value"] : undefined;
}

function collect(select: unknown, found: Map<string, DefinedColumn>): void {
  if (Array.isArray(select)) for (const item of select) collect(item, found);
  if (!isRecord(select)) return;
  const columns: unknown[] = Array.isArray(select["column"]) ? select["column"] : [];
  for (const column of columns) {
    if (!isRecord(column) || typeof column["name"] !== "string" || found.has(column["name"])) continue;
    found.set(column["name"], { phi: phiOf(column) });
  }
  collect(select["select"], found);
  collect(select["unionAll"], found);
}

/** The columns of a ViewDefinition by name; of those that several parts of a union have, the first says what they are. */
export function definedColumns(
  definition: Readonly<Record<string, unknown>> | undefined,
): ReadonlyMap<string, DefinedColumn> {
  const found = new Map<string, DefinedColumn>();
  collect(definition?.["select"], found);
  return found;
}
