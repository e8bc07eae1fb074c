function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function pruned(value: unknown, visible: ReadonlyMap<string, unknown>): unknown {
  if (Array.isArray(value)) return value.map((item) => pruned(item, visible));
  if (!isRecord(value)) return value;
  const entries = Object.entries(value).map(([name, inner]): [string, unknown] => {
    if (name === "column" && Array.isArray(inner)) {
      const kept = inner.filter(
        (column) => isRecord(column) && typeof column["name"] === "string" && visible.has(column["name"]),
      );
      return [name, kept];
    }
    return [name, name === "select" || name === "unionAll" ? pruned(inner, visible) : inner];
  });
  return Object.fromEntries(entries);
}

/** A ViewDefinition without the columns that are not to be seen. What it selects by and its description stay. */
export function prunedDefinition(
  definition: Readonly<Record<string, unknown>>,
  visible: ReadonlyMap<string, unknown>,
): Readonly<Record<string, unknown>> {
  return pruned(definition, visible) as Readonly<Record<string, unknown>>;
}
