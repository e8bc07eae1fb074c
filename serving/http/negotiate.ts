import { didYouMean, LakeError } from "#kernel";
import { type ResultFormat, resultFormats } from "#query";

/** The formats of view answers: those of the query layer, and a page for people. */
export type AnswerFormat = ResultFormat | "html";

/** All formats by the name that an extension or `_format` uses. */
export const answerFormats: readonly AnswerFormat[] = [...resultFormats, "html"];

/** The media type each format is sent with, first, and others that ask for it. */
const mediaTypes: Readonly<Record<AnswerFormat, readonly [string, ...string[]]>> = {
  json: ["application/json", "text/json"],
  ndjson: ["application/x-ndjson", "application/ndjson", "application/jsonl", "application/fhir+ndjson"],
  csv: ["text/csv", "application/csv"],
  tsv: ["text/tab-separated-values"],
  parquet: ["application/vnd.apache.parquet", "application/parquet", "application/x-parquet"],
  arrow: ["application/vnd.apache.arrow.file", "application/vnd.apache.arrow"],
  arrows: ["application/vnd.apache.arrow.stream"],
  xlsx: ["application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"],
  md: ["text/markdown"],
  html: ["text/html", "application/xhtml+xml"],
};

/** The Content-Type of a format; text formats are always UTF-8. */
export function contentType(format: AnswerFormat): string {
  const type = mediaTypes[format][0];
  return type.startsWith("text/") ? `${type}; charset=utf-8` : type;
}

function isFormat(name: string, offered: readonly AnswerFormat[]): name is AnswerFormat {
  return (offered as readonly string[]).includes(name);
}

function notAcceptable(asked: string, offered: readonly AnswerFormat[]): LakeError {
  const hint = didYouMean(asked, offered);
  return new LakeError(
    "invalid-input",
    "serving/not-acceptable",
    `There is no format '${asked.slice(0, 64)}' here.${hint} The formats are ${offered.join(", ")}.`,
    { details: { formats: offered } },
  );
}

/** The format named by an extension or `_format`: a short name or a media type. Fails with `serving/not-acceptable`. */
export function formatByName(name: string, offered: readonly AnswerFormat[] = answerFormats): AnswerFormat {
  const wanted = name.trim().toLowerCase();
  if (isFormat(wanted, offered)) return wanted;
  const essence = wanted.split(";")[0]!.trim();
  const format = offered.find((candidate) => mediaTypes[candidate].includes(essence));
  if (format === undefined) throw notAcceptable(name, offered);
  return format;
}

/** How well a media range of an Accept header fits a media type: 3 exact, 2 type, 1 anything, 0 not at all. */
function fitOf(range: string, type: string): number {
  if (range === type) return 3;
  if (range === "*/*") return 1;
  return range.endsWith("/*") && type.startsWith(range.slice(0, -1)) ? 2 : 0;
}

interface Range {
  readonly range: string;
  readonly quality: number;
}

function parseAccept(accept: string): Range[] {
  return accept.split(",").flatMap((part) => {
    const [range = "", ...parameters] = part.split(";").map((piece) => piece.trim().toLowerCase());
    if (range === "") return [];
    const weight = parameters.find((parameter) => parameter.startsWith("q="));
    const quality = weight === undefined ? 1 : Number(weight.slice(2));
    return [{ range, quality: quality >= 0 && quality <= 1 ? quality : 0 }];
  });
}

/** The quality a format has for the ranges of a header: that of the most specific range which fits one of its types. */
function quality(
  format: AnswerFormat,
  ranges: readonly Range[],
): { readonly quality: number; readonly fit: number } {
  let best = { quality: 0, fit: 0 };
  for (const type of mediaTypes[format]) {
    for (const range of ranges) {
      const found = fitOf(range.range, type);
      if (found > best.fit) best = { quality: range.quality, fit: found };
    }
  }
  return best;
}

/**
 * The best offered format for an Accept header (RFC 9110, 12.5.1). Among equals the more exactly named wins, then the
 * order of `offered`. Without a header the first offered. Fails with `serving/not-acceptable` when nothing fits.
 */
export function formatByAccept(
  accept: string | undefined,
  offered: readonly AnswerFormat[] = answerFormats,
): AnswerFormat {
  if (accept === undefined || accept.trim() === "") return offered[0]!;
  const ranges = parseAccept(accept);
  let best: { format: AnswerFormat; quality: number; fit: number } | undefined;
  for (const format of offered) {
    const found = quality(format, ranges);
    if (found.quality === 0) continue;
    const better =
      best === undefined ||
      found.quality > best.quality ||
      (found.quality === best.quality && found.fit > best.fit);
    if (better) best = { format, ...found };
  }
  if (best === undefined) throw notAcceptable(accept, offered);
  return best.format;
}
