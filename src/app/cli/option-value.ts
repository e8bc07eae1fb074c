import path from "node:path";
import { byteSize, LakeError } from "#kernel";
import { parseInstant } from "#landing";
import { isRemote } from "#storage";
import type { Invocation, OptionValues } from "./command.js";
import { loadedConfig } from "./config-option.js";

/** Bytes from `512MB`, `1.5GiB` or plain bytes. Errors: `cli/bad-size`. */
export function parseSize(text: string, option: string): number {
  const bytes = byteSize(text);
  if (bytes === undefined) {
    throw new LakeError(
      "invalid-input",
      "cli/bad-size",
      `--${option} takes a size such as 512MB or 2GiB, not '${text}'.`,
    );
  }
  return bytes;
}

/** A whole number of at least `least`. Errors: `cli/bad-number`. */
export function parseCount(text: string, option: string, least: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value) || value < least) {
    throw new LakeError(
      "invalid-input",
      "cli/bad-number",
      `--${option} takes a whole number of at least ${least}, not '${text}'.`,
    );
  }
  return value;
}

/** Scheme, host and port of an HTTP address that has nothing else. Errors: `cli/bad-origin`. */
export function parseOrigin(text: string, option: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && /^https?:$/.test(url.protocol) && url.href === `${url.origin}/`) return url;
  throw new LakeError(
    "invalid-input",
    "cli/bad-origin",
    `--${option} takes scheme, host and perhaps port, such as https://lake.example.org.`,
  );
}

/** The text of an option, or undefined. */
export function textOption(values: OptionValues, name: string): string | undefined {
  const value = values[name];
  return typeof value === "string" ? value : undefined;
}

/** The texts of a repeatable option. */
export function listOption(values: OptionValues, name: string): string[] {
  const value = values[name];
  return Array.isArray(value) ? value.filter((v): v is string => typeof v === "string") : [];
}

/** Milliseconds from `90s`, `15m`, `24h` or `7d`. Errors: `cli/bad-duration`. */
export function parseDuration(text: string, option: string): number {
  const match = /^(\d+)\s*(ms|s|m|h|d)$/.exec(text.trim());
  if (match === null) {
    throw new LakeError(
      "invalid-input",
      "cli/bad-duration",
      `--${option} takes a duration such as 30s, 15m, 24h or 7d, not '${text}'.`,
    );
  }
  const units: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
  return Number(match[1]) * units[match[2]!]!;
}

/** Milliseconds since 1970 of `2026-03-01T08:00:00Z`, with any offset. Errors: `cli/bad-instant`. */
export function parseTime(text: string, option: string): number {
  const instant = parseInstant(text);
  if (instant !== undefined) return instant.seconds * 1000 + Math.floor(instant.nanos / 1e6);
  throw new LakeError(
    "invalid-input",
    "cli/bad-instant",
    `--${option} takes an instant with its zone such as 2026-03-01T08:00:00Z, not '${text}'.`,
  );
}

/** Where the lake is: `--lake`, else FHIR_LAKE_HOME, else the configuration's, else `data/lake` below the current folder. */
export function lakeLocation(invocation: Invocation): string {
  const { values, environment } = invocation;
  const named = textOption(values, "lake") ?? environment["FHIR_LAKE_HOME"];
  if (named !== undefined) return isRemote(named) ? named : path.resolve(named);
  const { config, folder } = loadedConfig(invocation);
  if (config.lake === undefined) return path.resolve("data", "lake");
  return isRemote(config.lake) ? config.lake : path.resolve(folder, config.lake);
}

/** `--memory-limit`, else the configuration's, in bytes, at least 256 MB; undefined when neither is given. */
export function memoryLimit(invocation: Invocation): number | undefined {
  const text = textOption(invocation.values, "memory-limit") ?? loadedConfig(invocation).config.memory;
  if (text === undefined) return undefined;
  const bytes = parseSize(text, "memory-limit");
  if (bytes < 256e6) {
    throw new LakeError("invalid-input", "cli/bad-size", "--memory-limit must be at least 256MB.");
  }
  return bytes;
}
