import { describe, expect, it } from "vitest";
import { mapConcurrently } from "./map-concurrently.js";

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));

describe("mapConcurrently", () => {
  it("keeps the order of the items and never runs more than the limit at once", async () => {
    let running = 0;
    let most = 0;
    const results = await mapConcurrently([5, 1, 4, 2, 3], 2, async (n) => {
      most = Math.max(most, ++running);
      for (let i = 0; i < n; i++) await pause();
      running--;
      return n * 10;
    });
    expect(results).toEqual([50, 10, 40, 20, 30]);
    expect(most).toBe(2);
  });

  it("begins nothing new after a failure and waits for what is under way", async () => {
    const ended: number[] = [];
    const run = mapConcurrently([1, 2, 3, 4], 2, async (n) => {
      await pause();
      if (n === 1) throw new Error("one");
      await pause();
      ended.push(n);
    });
    await expect(run).rejects.toThrow("one");
    expect(ended).toEqual([2]);
  });
});
