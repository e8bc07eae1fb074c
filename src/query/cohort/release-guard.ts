import { LakeError } from "#kernel";

/** A number that was shown: whose, in which state, and of which persons. */
interface Release {
  readonly cohort: string;
  readonly state: string;
  /** Hashes of persons, ascending. */
  readonly members: Float64Array;
}

/** Hashes of persons kept at most, over all releases: 160 MB. */
const MOST_HASHES = 20_000_000;

/** How many are in `a` and not in `b`, and the other way round, each counted up to k. */
function gaps(a: Float64Array, b: Float64Array, k: number): readonly [number, number] {
  let [i, j, onlyA, onlyB] = [0, 0, 0, 0];
  while ((i < a.length || j < b.length) && (onlyA < k || onlyB < k)) {
    const [x, y] = [a[i] ?? Number.POSITIVE_INFINITY, b[j] ?? Number.POSITIVE_INFINITY];
    if (x <= y) i++;
    if (y <= x) j++;
    if (x < y) onlyA++;
    if (y < x) onlyB++;
  }
  return [onlyA, onlyB];
}

/**
 * Refuses to show the count of a cohort that differs by fewer than k persons from one that was shown before, since the two would tell who
 * they are. It remembers what this process has shown, the oldest forgotten first when there is too much.
 */
export class ReleaseGuard {
  private readonly released = new Map<string, Release>();
  private hashes = 0;

  /**
   * Notes that the count of these persons is shown. Fails with `cohort/too-similar`, naming the other cohort, and notes nothing then.
   */
  admit(cohort: string, state: string, members: Float64Array, k: number): void {
    const key = `${cohort}\n${state}`;
    if (this.released.has(key)) return;
    for (const other of this.released.values()) {
      const small = gaps(members, other.members, k).some((gap) => gap > 0 && gap < k);
      if (!small) continue;
      const same = other.cohort === cohort;
      throw new LakeError(
        "conflict",
        "cohort/too-similar",
        same
          ? `Fewer than ${k} persons came or went since the count of ${other.state} was shown, so that this one would tell who; ask for that state.`
          : `The cohort differs by fewer than ${k} persons from '${other.cohort}' (${other.state}), whose count was shown, so that this one would tell who they are.`,
        { details: { cohort: other.cohort, state: other.state, k } },
      );
    }
    this.released.set(key, { cohort, state, members });
    this.hashes += members.length;
    for (const [oldest, release] of this.released) {
      if (this.hashes <= MOST_HASHES || oldest === key) break;
      this.released.delete(oldest);
      this.hashes -= release.members.length;
    }
  }
}
