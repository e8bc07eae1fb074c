import { z } from "zod";
import { configSchema } from "./schema.js";

/** A JSON Schema as plain data. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** The JSON Schema (draft 2020-12) of the configuration as it is written, for editors. */
export function configJsonSchema(): JsonSchema {
  return z.toJSONSchema(configSchema, { io: "input" });
}

function resolve(schema: JsonSchema, root: JsonSchema): JsonSchema[] {
  const reference = schema["$ref"];
  if (typeof reference === "string") {
    const name = reference.split("/").at(-1)!;
    const found = (root["$defs"] as Record<string, JsonSchema> | undefined)?.[name];
    return found === undefined ? [] : resolve(found, root);
  }
  const branches = [...asList(schema["anyOf"]), ...asList(schema["oneOf"])];
  return [schema, ...branches.flatMap((branch) => resolve(branch, root))];
}

function asList(value: unknown): JsonSchema[] {
  return Array.isArray(value) ? (value as JsonSchema[]) : [];
}

/** The property names that may stand at a path of the configuration. */
export function namesAt(path: readonly PropertyKey[]): string[] {
  const root = configJsonSchema();
  let here = resolve(root, root);
  for (const step of path) {
    here = here.flatMap((schema) => {
      const properties = schema["properties"] as Record<string, JsonSchema> | undefined;
      const next =
        typeof step === "number"
          ? schema["items"]
          : (properties?.[String(step)] ?? schema["additionalProperties"]);
      return typeof next === "object" && next !== null ? resolve(next as JsonSchema, root) : [];
    });
  }
  return here.flatMap((schema) => Object.keys((schema["properties"] as object | undefined) ?? {}));
}
