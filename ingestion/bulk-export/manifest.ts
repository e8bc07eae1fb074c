import { LakeError } from "#kernel";
import { isInstant } from "./request.js";

/** A list of the manifest. `error` is called `outcome` from Bulk Data 4 on. */
export type ManifestSection = "output" | "deleted" | "error";

/** One file of a manifest. */
export interface ManifestFile {
  readonly section: ManifestSection;
  /** As the manifest says; absent when it does not say. */
  readonly type?: string;
  /** Absolute. */
  readonly url: string;
  /** Lines, where the server says so. */
  readonly count?: number;
}

/** A manifest, or one page of it. */
export interface Manifest {
  readonly transactionTime: string;
  readonly requiresAccessToken: boolean;
  readonly files: readonly ManifestFile[];
  /** Whether there was a list of deletes at all, even an empty one. */
  readonly hasDeleted: boolean;
  /** Absolute URL of the next page. */
  readonly next?: string;
}

const TYPE = /^[A-Z][A-Za-z]{1,63}$/;

type Json = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A manifest that cannot be relied on. */
export function badManifest(why: string): LakeError {
  const message = `The export's manifest cannot be used: ${why}. Nothing of it is committed; report it to the server's maker.`;
  return new LakeError("corrupt-data", "source/bad-manifest", message);
}

function absolute(url: string, page: URL, what: string): string {
  if (!URL.canParse(url, page.href)) throw badManifest(`${what} has a URL that is none`);
  return new URL(url, page.href).href;
}

function readFile(section: ManifestSection, entry: unknown, at: number, page: URL): ManifestFile {
  const what = `${section}[${at}]`;
  if (!isObject(entry) || typeof entry["url"] !== "string") throw badManifest(`${what} has no url`);
  const { type, count } = entry;
  if (section === "output" && !(typeof type === "string" && TYPE.test(type))) {
    throw badManifest(`${what} has no resource type`);
  }
  if (count !== undefined && count !== null && !(Number.isSafeInteger(count) && Number(count) >= 0)) {
    throw badManifest(`${what} has a count that is no number`);
  }
  return {
    section,
    ...(typeof type === "string" && TYPE.test(type) ? { type } : {}),
    url: absolute(entry["url"], page, what),
    ...(typeof count === "number" ? { count } : {}),
  };
}

function readSection(section: ManifestSection, list: unknown, page: URL): ManifestFile[] {
  if (list === undefined || list === null) return [];
  if (!Array.isArray(list)) throw badManifest(`${section} is no list`);
  return list.map((entry, at) => readFile(section, entry, at, page));
}

function nextPage(links: unknown, page: URL): string | undefined {
  if (!Array.isArray(links)) return undefined;
  const next = links.filter(isObject).find(({ relation }) => relation === "next");
  if (next === undefined) return undefined;
  if (typeof next["url"] !== "string") throw badManifest("its next link has no url");
  return absolute(next["url"], page, "its next link");
}

/** True for what a manifest looks like, as opposed to an OperationOutcome or nothing in a 202. */
export function looksLikeManifest(body: unknown): boolean {
  return isObject(body) && Array.isArray(body["output"]);
}

/**
 * Reads a manifest of any published version: only `transactionTime`, `requiresAccessToken` and `output` are required. `page`: the URL
 * it came from. Throws `source/bad-manifest`.
 */
export function readManifest(body: unknown, page: URL): Manifest {
  if (!isObject(body)) throw badManifest("the answer is empty or no JSON object");
  const { transactionTime, requiresAccessToken } = body;
  if (typeof transactionTime !== "string" || !isInstant(transactionTime)) {
    throw badManifest("transactionTime is missing or no instant, so the next export could not start from it");
  }
  if (typeof requiresAccessToken !== "boolean")
    throw badManifest("requiresAccessToken is missing or no boolean");
  if (!Array.isArray(body["output"])) throw badManifest("it has no output list");
  const next = nextPage(body["link"], page);
  return {
    transactionTime,
    requiresAccessToken,
    files: [
      ...readSection("output", body["output"], page),
      ...readSection("deleted", body["deleted"], page),
      ...readSection("error", body["error"] ?? body["outcome"], page),
    ],
    hasDeleted: Array.isArray(body["deleted"]),
    ...(next === undefined ? {} : { next }),
  };
}
