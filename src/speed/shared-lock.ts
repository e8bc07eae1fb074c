/**
 * Work that may go on side by side, and work that must be alone. Whatever comes after work that must be alone waits for it, so that it is not
 * put off for ever. Neither may be asked for from within the other.
 */
export class SharedLock {
  private alone: Promise<unknown> = Promise.resolve();
  private readonly sharing = new Set<Promise<unknown>>();

  /** Does it beside other shared work. */
  shared<T>(work: () => Promise<T>): Promise<T> {
    const result = this.alone.then(work);
    const ended = result.catch(() => undefined).then(() => void this.sharing.delete(ended));
    this.sharing.add(ended);
    return result;
  }

  /** Does it while nothing else is done. */
  exclusive<T>(work: () => Promise<T>): Promise<T> {
    const result = Promise.all([this.alone, ...this.sharing]).then(work);
    this.alone = result.catch(() => undefined);
    return result;
  }
}
