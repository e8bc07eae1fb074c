import type { Figure } from "../scenario.js";

/** A number with three significant digits, thousands set apart, no exponent. */
export function number(value: number): string {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size !== 0 && size < 1) return String(Number(value.toPrecision(2)));
  const rounded = Number(value.toPrecision(3));
  return (size >= 1000 ? Math.round(value) : rounded).toLocaleString("en-US");
}

/** Milliseconds as ms, or as s from a second on. */
export function duration(ms: number): string {
  return ms >= 1000 ? `${number(ms / 1000)} s` : `${number(ms)} ms`;
}

/** Bytes in the unit that fits. */
export function size(bytes: number): string {
  if (bytes >= 1e6) return `${number(bytes / 1e6)} MB`;
  return bytes >= 1e3 ? `${number(bytes / 1e3)} kB` : `${number(bytes)} B`;
}

/** The ends of a figure, `a – b`, whatever they are (`basisOf` tells); empty for one that was not repeated. */
export function interval({ low, high, min, max, repeats }: Figure): string {
  const [from, to] = [low ?? min, high ?? max];
  if (from === undefined || to === undefined || repeats === 1) return "";
  return `${number(from)} – ${number(to)}`;
}

/** A figure with its unit and its ends; a dash where there is none. */
export function measured(figure: Figure | undefined): string {
  if (figure === undefined) return "–";
  const range = interval(figure);
  return `${number(figure.value)} ${figure.unit}${range === "" ? "" : ` (${range})`}`.trim();
}

/** A Markdown table; empty without rows. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return "";
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const rule = head.map((_, index) => (index === 0 ? "---" : "---:"));
  return [line(head), line(rule), ...rows.map(line)].join("\n");
}
