import { describe, expect, it } from "vitest";
import { shareCalls } from "./share-calls.js";

/** Work whose runs end when they are told to. */
function controlled() {
  const ends: { resolve(value: number): void; reject(error: Error): void }[] = [];
  const call = shareCalls(() => new Promise<number>((resolve, reject) => ends.push({ resolve, reject })));
  return { ends, call };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("shareCalls", () => {
  it("gives calls during a run one run together that begins after it", async () => {
    const { ends, call } = controlled();
    const first = call();
    const [second, third] = [call(), call()];
    await turn();
    expect(ends).toHaveLength(1);
    ends[0]!.resolve(1);
    expect(await first).toBe(1);
    await turn();
    expect(ends).toHaveLength(2);
    // Came after the second run began.
    const fourth = call();
    ends[1]!.resolve(2);
    expect(await Promise.all([second, third])).toEqual([2, 2]);
    await turn();
    ends[2]!.resolve(3);
    expect(await fourth).toBe(3);
  });

  it("tells a failure to those who shared the run, and runs again for the others", async () => {
    const { ends, call } = controlled();
    const first = call();
    const second = call();
    ends[0]!.reject(new Error("no"));
    await expect(first).rejects.toThrow("no");
    await turn();
    ends[1]!.resolve(2);
    expect(await second).toBe(2);
    const third = call();
    ends[2]!.resolve(3);
    expect(await third).toBe(3);
  });
});
