import type { Config } from "./schema.js";
import { hasSecret, isSecret, type SecretContext } from "./secret.js";

function masked(value: unknown, context: SecretContext): unknown {
  if (isSecret(value)) {
    const state = hasSecret(value, context) ? "***" : "(not set)";
    return { ...value, value: state };
  }
  if (Array.isArray(value)) return value.map((item) => masked(item, context));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, masked(inner, context)]));
}

/** The configuration with all defaults, where each secret shows its reference and whether it can be read, never its value. */
export function effectiveConfig(config: Config, context: SecretContext): Readonly<Record<string, unknown>> {
  return masked(config, context) as Record<string, unknown>;
}
