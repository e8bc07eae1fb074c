import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { rm, stat } from "node:fs/promises";
import { isLakeError, LakeError, mapConcurrently } from "#kernel";
import { LineCheck } from "./line-check.js";
import { looksLikeManifest, type Manifest, readManifest } from "./manifest.js";
import { MANIFEST_HEADERS } from "./poll.js";
import { type ExportSession, errorDetail, jobLost, redactUrl } from "./session.js";
import type { FileState, FinishedFile, PageState } from "./work.js";

const DEFAULT_CONCURRENCY = 4;
/** New links that are asked for, for one file, before the job is taken for lost. */
const MAX_RENEWALS = 2;
const LINE_TYPES = { deleted: "Bundle", error: "OperationOutcome" } as const;

/** The files of one page of the manifest. */
export class PageDownloads {
  private readonly session: ExportSession;
  private readonly pageIndex: number;
  private renewing: Promise<void> | undefined;

  constructor(session: ExportSession, pageIndex: number) {
    this.session = session;
    this.pageIndex = pageIndex;
  }

  /** Fetches what is not here yet. Finished files are never asked for again. */
  async fetchAll(): Promise<void> {
    const { session } = this;
    const { downloadConcurrency = DEFAULT_CONCURRENCY } = session.options;
    const missing = this.page.files.flatMap((file, at) =>
      session.work.finished(file.name) === undefined ? [at] : [],
    );
    if (missing.length === 0) return;
    session.progress("downloading");
    await mapConcurrently(missing, Math.max(1, downloadConcurrency), async (at) => {
      await this.fetch(at);
      session.progress("downloading");
    });
  }

  private get page(): PageState {
    return this.session.state.pages[this.pageIndex]!;
  }

  private async fetch(at: number): Promise<void> {
    const { session } = this;
    if (await this.adopt(at)) return;
    for (let renewals = 0; ; renewals++) {
      const file = this.page.files[at]!;
      try {
        await this.download(file);
        return;
      } catch (error) {
        session.log("download_error", { ...this.described(file), ...errorDetail(error) });
        if (!isExpired(error)) throw error;
        if (renewals === MAX_RENEWALS)
          throw isLakeError(error, "source/gone") ? jobLost("files are gone") : error;
        await this.renew(at, file.url);
      }
    }
  }

  /** A file that an earlier process completed but could not record: checked here, not fetched again. */
  private async adopt(at: number): Promise<boolean> {
    const { session } = this;
    const file = this.page.files[at]!;
    const place = session.work.pathOf(file.name);
    if ((await stat(place).catch(() => undefined)) === undefined) return false;
    const check = this.check(file);
    const hash = createHash("sha256");
    let sizeBytes = 0;
    try {
      for await (const chunk of createReadStream(place, { highWaterMark: 1 << 20 })) {
        hash.update(chunk as Buffer);
        check.write(chunk as Buffer);
        sizeBytes += (chunk as Buffer).length;
      }
      check.end();
    } catch {
      await rm(place, { force: true });
      return false;
    }
    await this.record({ name: file.name, sizeBytes, sha256: hash.digest("hex"), lines: check.lines });
    session.resumedFiles++;
    return true;
  }

  private async download(file: FileState): Promise<void> {
    const { session } = this;
    const { http, signal } = session.options;
    session.checkDeadline();
    session.log("download_request", this.described(file));
    let check = this.check(file);
    const { sizeBytes, sha256 } = await http.download(file.url, session.work.pathOf(file.name), {
      authorize: this.page.requiresAccessToken,
      inspect: () => (check = this.check(file)),
      ...(signal === undefined ? {} : { signal }),
    });
    session.reached("file.renamed");
    await this.record({ name: file.name, sizeBytes, sha256, lines: check.lines });
    session.log("download_complete", {
      fileUrl: this.described(file)["fileUrl"],
      resourceCount: check.lines,
      fileSize: sizeBytes,
    });
  }

  private async record(file: FinishedFile): Promise<void> {
    await this.session.work.recordFinished(file);
    this.session.reached("file.recorded");
  }

  private check(file: FileState): LineCheck {
    const { trustCounts = true, idsOnly = false } = this.session.options;
    return new LineCheck({
      name: file.section === "output" ? `file of ${file.type} resources` : `'${file.section}' file`,
      type: file.section === "output" ? file.type : LINE_TYPES[file.section],
      count: trustCounts ? file.count : undefined,
      whole: file.section === "output" && !idsOnly,
    });
  }

  private described(file: FileState): Readonly<Record<string, unknown>> {
    return {
      fileUrl: redactUrl(file.url, !this.page.requiresAccessToken),
      itemType: file.section,
      resourceType: file.type ?? null,
    };
  }

  /** Asks for the page again, once for all files that wait for it, unless another file had the link renewed meanwhile. */
  private async renew(at: number, expired: string): Promise<void> {
    if (this.page.files[at]!.url !== expired) return;
    this.renewing ??= this.readAgain().finally(() => {
      this.renewing = undefined;
    });
    await this.renewing;
  }

  private async readAgain(): Promise<void> {
    const { session, pageIndex, page } = this;
    const { http, signal } = session.options;
    const answer = await http.json("GET", page.url, {
      headers: MANIFEST_HEADERS,
      expect: [200, 202, 404, 410],
      ...(signal === undefined ? {} : { signal }),
    });
    if (!looksLikeManifest(answer.body)) throw jobLost(`status ${answer.status} for its manifest`);
    const manifest = readManifest(answer.body, answer.url);
    if (!isSamePage(page, manifest, session.state.transactionTime)) throw jobLost("its manifest changed");
    const renewed: PageState = {
      ...page,
      requiresAccessToken: manifest.requiresAccessToken,
      files: page.files.map((file, at) => ({ ...file, url: manifest.files[at]!.url })),
    };
    await session.advance({ pages: session.state.pages.with(pageIndex, renewed) }, "links.renewed");
  }
}

/** True when only the links differ, so that files fetched before still belong to it. */
function isSamePage(page: PageState, manifest: Manifest, transactionTime: string | undefined): boolean {
  return (
    manifest.transactionTime === transactionTime &&
    manifest.files.length === page.files.length &&
    manifest.files.every(({ section, type, count }, at) => {
      const file = page.files[at]!;
      return file.section === section && file.type === type && file.count === count;
    })
  );
}

function isExpired(error: unknown): boolean {
  return error instanceof LakeError && (error.code === "source/gone" || error.code === "source/forbidden");
}
