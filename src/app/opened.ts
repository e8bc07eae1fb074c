/** What was opened so far. It is closed in reverse, each once, also when something that comes later cannot be opened. */
export class Opened {
  private readonly closers: (() => unknown)[] = [];

  /** Adds how the thing that was opened last is closed. */
  add(close: () => unknown): void {
    this.closers.push(close);
  }

  /** Closes everything, whatever fails of it. Errors: the first failure. */
  async close(): Promise<void> {
    const failures: unknown[] = [];
    for (let close = this.closers.pop(); close !== undefined; close = this.closers.pop()) {
      try {
        await close();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}

/** Does work that opens things, and closes them when it has ended, however it did. Its own failure comes before those of closing. */
export async function withOpened<Result>(work: (opened: Opened) => Promise<Result>): Promise<Result> {
  const opened = new Opened();
  let result: Result;
  try {
    result = await work(opened);
  } catch (error) {
    await opened.close().catch(() => undefined);
    throw error;
  }
  await opened.close();
  return result;
}
