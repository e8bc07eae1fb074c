import { number } from "./format.js";

/** Colours that people who see colours differently can tell apart (Okabe and Ito). */
const COLOURS = [
  "#0072b2",
  "#e69f00",
  "#009e73",
  "#cc79a7",
  "#56b4e9",
  "#d55e00",
  "#999999",
  "#000000",
] as const;
const FONT = 'font-family="system-ui, sans-serif" font-size="12"';

/** One bar; `low` and `high` are the ends of its whisker. */
export interface Bar {
  readonly value: number;
  readonly low?: number | undefined;
  readonly high?: number | undefined;
}

/** Groups of bars: a group per subject, a bar per series. Values are above zero; undefined leaves a bar out. */
export interface BarPlot {
  readonly title: string;
  readonly unit: string;
  readonly series: readonly string[];
  readonly groups: readonly { readonly label: string; readonly bars: readonly (Bar | undefined)[] }[];
}

/** Lines through points, both axes in powers of ten. */
export interface LinePlot {
  readonly title: string;
  readonly x: string;
  readonly unit: string;
  readonly lines: readonly {
    readonly label: string;
    readonly points: readonly (readonly [number, number])[];
  }[];
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function text(x: number, y: number, content: string, extra = ""): string {
  return `<text x="${round(x)}" y="${round(y)}" ${FONT} fill="#222"${extra === "" ? "" : ` ${extra}`}>${escaped(content)}</text>`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function colour(index: number): string {
  return COLOURS[index % COLOURS.length]!;
}

/** Powers of ten that hold all values, at least two of them. */
function decades(values: readonly number[]): { readonly low: number; readonly high: number } {
  const low = Math.floor(Math.log10(Math.min(...values)));
  return { low, high: Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values)))) };
}

function label(power: number): string {
  const value = 10 ** power;
  return value >= 1 ? value.toLocaleString("en-US") : String(Number(value.toPrecision(1)));
}

function page(width: number, height: number, title: string, parts: readonly string[]): string {
  const head = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escaped(title)}">`;
  const ground = `<rect width="${width}" height="${height}" fill="#fff"/>`;
  const heading = text(12, 22, title, 'font-weight="bold"');
  return `${[head, ground, heading, ...parts, "</svg>"].join("\n")}\n`;
}

function legend(names: readonly string[], x: number, y: number): string[] {
  let at = x;
  return names.flatMap((name, index) => {
    const parts = [
      `<rect x="${round(at)}" y="${y - 10}" width="12" height="12" fill="${colour(index)}"/>`,
      text(at + 17, y, name),
    ];
    at += 34 + name.length * 7;
    return parts;
  });
}

/** Horizontal bars on a scale of powers of ten, so that milliseconds and minutes fit on one page. */
export function barPlot({ title, unit, series, groups }: BarPlot): string {
  const [left, width, bar, gap, top] = [190, 820, 13, 12, 62];
  const values = groups.flatMap(({ bars }) =>
    bars.flatMap((one) =>
      one === undefined ? [] : [one.value, one.low ?? one.value, one.high ?? one.value],
    ),
  );
  const { low, high } = decades(values.filter((value) => value > 0));
  const right = width - 90;
  const x = (value: number): number =>
    left + ((Math.log10(Math.max(value, 10 ** low)) - low) / (high - low)) * (right - left);
  const groupHeight = series.length * bar + gap;
  const bottom = top + groups.length * groupHeight;
  const parts: string[] = [...legend(series, 12, 44)];
  for (let power = low; power <= high; power++) {
    const at = round(x(10 ** power));
    parts.push(`<line x1="${at}" y1="${top - 4}" x2="${at}" y2="${bottom}" stroke="#ddd"/>`);
    parts.push(text(at, bottom + 16, `${label(power)} ${unit}`, 'text-anchor="middle"'));
  }
  groups.forEach(({ label: name, bars }, group) => {
    const y = top + group * groupHeight;
    parts.push(text(left - 8, y + (series.length * bar) / 2 + 4, name, 'text-anchor="end"'));
    bars.forEach((one, index) => {
      if (one === undefined) return;
      const [from, end, at] = [x(10 ** low), x(one.value), y + index * bar];
      parts.push(
        `<rect x="${from}" y="${at}" width="${round(Math.max(1, end - from))}" height="${bar - 2}" fill="${colour(index)}"/>`,
      );
      if (one.low !== undefined && one.high !== undefined) {
        const middle = at + (bar - 2) / 2;
        parts.push(
          `<line x1="${round(x(one.low))}" y1="${middle}" x2="${round(x(one.high))}" y2="${middle}" stroke="#222" stroke-width="1.5"/>`,
        );
      }
      parts.push(
        text(Math.max(end, x(one.high ?? one.value)) + 5, at + 10, number(one.value), 'fill-opacity="0.8"'),
      );
    });
  });
  // The length of a bar on such an axis is no measure of its value: what it begins at is chance.
  const axis = `${unit}, logarithmic axis: ten times as much is one step; bars begin at ${label(low)} ${unit}`;
  parts.push(text((left + right) / 2, bottom + 36, axis, 'text-anchor="middle"'));
  return page(width, bottom + 48, title, parts);
}

/** Lines on two scales of powers of ten: what grows in proportion rises one decade per decade. */
export function linePlot({ title, x: xLabel, unit, lines }: LinePlot): string {
  const [width, height, left, top] = [820, 420, 80, 44];
  const [right, bottom] = [width - 190, height - 50];
  const points = lines.flatMap((line) => line.points);
  const across = decades(points.map(([value]) => value));
  const up = decades(points.map(([, value]) => value));
  const x = (value: number): number =>
    round(left + ((Math.log10(value) - across.low) / (across.high - across.low)) * (right - left));
  const y = (value: number): number =>
    round(bottom - ((Math.log10(value) - up.low) / (up.high - up.low)) * (bottom - top));
  const parts: string[] = [];
  for (let power = across.low; power <= across.high; power++) {
    const at = x(10 ** power);
    parts.push(`<line x1="${at}" y1="${top}" x2="${at}" y2="${bottom}" stroke="#ddd"/>`);
    parts.push(text(at, bottom + 18, label(power), 'text-anchor="middle"'));
  }
  for (let power = up.low; power <= up.high; power++) {
    const at = y(10 ** power);
    parts.push(`<line x1="${left}" y1="${at}" x2="${right}" y2="${at}" stroke="#ddd"/>`);
    parts.push(text(left - 6, at + 4, `${label(power)} ${unit}`, 'text-anchor="end"'));
  }
  parts.push(
    text((left + right) / 2, height - 12, `${xLabel} (both axes logarithmic)`, 'text-anchor="middle"'),
  );
  lines.forEach(({ label: name, points: of }, index) => {
    const path = of.map(([a, b]) => `${x(a)},${y(b)}`).join(" ");
    parts.push(`<polyline points="${path}" fill="none" stroke="${colour(index)}" stroke-width="2"/>`);
    for (const [a, b] of of)
      parts.push(`<circle cx="${x(a)}" cy="${y(b)}" r="3.5" fill="${colour(index)}"/>`);
    const at = top + 8 + index * 20;
    parts.push(`<rect x="${right + 16}" y="${at - 10}" width="12" height="12" fill="${colour(index)}"/>`);
    parts.push(text(right + 34, at, name));
  });
  return page(width, height, title, parts);
}
