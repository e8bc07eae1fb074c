import { describe, expect, it } from "vitest";
import { Opened, withOpened } from "./opened.js";

describe("what was opened", () => {
  it("is closed in reverse, all of it whatever fails, and once", async () => {
    const closed: number[] = [];
    const opened = new Opened();
    for (const n of [1, 2, 3]) {
      opened.add(async () => {
        closed.push(n);
        if (n > 1) throw new Error(`no ${n}`);
      });
    }
    await expect(opened.close()).rejects.toThrow("no 3");
    await opened.close();
    expect(closed).toEqual([3, 2, 1]);
  });

  it("is closed when the work fails, and the work's failure is told", async () => {
    let isClosed = false;
    const work = withOpened(async (opened) => {
      opened.add(() => {
        isClosed = true;
        throw new Error("closing");
      });
      throw new Error("working");
    });
    await expect(work).rejects.toThrow("working");
    expect(isClosed).toBe(true);
  });
});
