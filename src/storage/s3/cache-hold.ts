import type { FileDigest, FileHold } from "../object-store.js";

/** Brings a file of this hold's own and answers its path. */
export type Take = (key: string, expected: FileDigest | undefined) => Promise<string>;

/** Local files that stay until they are given back together; each is brought once. */
export class CacheHold implements FileHold {
  private readonly take: Take;
  private readonly giveBack: (paths: readonly string[]) => Promise<void>;
  private readonly files = new Map<string, Promise<string>>();

  constructor(take: Take, giveBack: (paths: readonly string[]) => Promise<void>) {
    this.take = take;
    this.giveBack = giveBack;
  }

  localPath(key: string, expected?: FileDigest): Promise<string> {
    const known = this.files.get(key);
    if (known !== undefined) return known;
    const taken = this.take(key, expected);
    this.files.set(key, taken);
    taken.catch(() => this.files.delete(key));
    return taken;
  }

  async release(): Promise<void> {
    const taken = await Promise.allSettled(this.files.values());
    this.files.clear();
    await this.giveBack(taken.flatMap((file) => (file.status === "fulfilled" ? [file.value] : [])));
  }
}
