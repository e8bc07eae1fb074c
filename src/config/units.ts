import { LakeError } from "#kernel";

const DURATION = /^(\d{1,9})\s*(ms|s|m|h|d)$/;
const SIZE = /^(\d{1,12}(?:\.\d{1,6})?)\s*(B|KB|MB|GB|KiB|MiB|GiB)$/;
const DURATION_UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const SIZE_UNITS: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
};

function amount(text: string, pattern: RegExp, units: Readonly<Record<string, number>>): number | undefined {
  const match = pattern.exec(text);
  const unit = match === null ? undefined : units[match[2]!];
  return unit === undefined ? undefined : Math.floor(Number(match![1]) * unit);
}

/** True for a duration such as `90s`, `15m`, `24h`, `7d`, `500ms`. */
export function isDuration(text: string): boolean {
  return amount(text, DURATION, DURATION_UNITS) !== undefined;
}

/** True for a size such as `512MB` or `2GiB`. */
export function isSize(text: string): boolean {
  return amount(text, SIZE, SIZE_UNITS) !== undefined;
}

/** Milliseconds of a checked duration. */
export function durationMs(text: string): number {
  return amount(text, DURATION, DURATION_UNITS) ?? unchecked(text);
}

/** Bytes of a checked size. */
export function sizeBytes(text: string): number {
  return amount(text, SIZE, SIZE_UNITS) ?? unchecked(text);
}

function unchecked(text: string): never {
  throw new LakeError("internal", "config/invalid", `'${text}' was not checked before it was used.`);
}
