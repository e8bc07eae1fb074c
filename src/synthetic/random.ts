/**
 * The only source of chance in the generator.
 *
 * Every draw is made of 32-bit integer operations and of the four IEEE operations, never of `Math.log` or
 * `Math.cos`, whose last bits differ between engines: the same seed gives the same bytes on every machine.
 * A stream is named by (seed, index, purpose), so that patient `i` depends on nothing but the seed and `i`,
 * and one more draw in one purpose leaves all other purposes as they were.
 */

const TWO_32 = 4_294_967_296;

/** One round of MurmurHash3 (32 bit): the running hash with one more word mixed in. */
function mixWord(hash: number, word: number): number {
  let k = Math.imul(word, 0xcc9e2d51);
  k = (k << 15) | (k >>> 17);
  const h = hash ^ Math.imul(k, 0x1b873593);
  return (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0;
}

/** The finalizer of MurmurHash3: every bit of the argument moves about half of the bits of the result. */
function finish(hash: number): number {
  let h = hash;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) | 0;
}

/** A 32-bit hash of (seed, index, purpose, lane). Seed and index count with up to 53 bits. */
function hashWord(seed: number, index: number, purpose: string, lane: number): number {
  let h = mixWord(lane, seed | 0);
  h = mixWord(h, Math.floor(seed / TWO_32) | 0);
  h = mixWord(h, index | 0);
  h = mixWord(h, Math.floor(index / TWO_32) | 0);
  for (let i = 0; i < purpose.length; i++) h = mixWord(h, purpose.charCodeAt(i));
  return finish(h);
}

/**
 * `e` to the power of `x`, by squaring a Taylor polynomial of `x / 1024`: relative error below 1e-12 for |x| <= 20.
 * Stands in for `Math.exp`, which is not specified to the last bit.
 */
export function exponential(x: number): number {
  const y = x / 1024;
  let power = 1 + y * (1 + (y / 2) * (1 + (y / 3) * (1 + (y / 4) * (1 + (y / 5) * (1 + y / 6)))));
  for (let i = 0; i < 10; i++) power *= power;
  return power;
}

/**
 * The place of `index` in a low-discrepancy sequence in [0, 1): any run of indexes covers the interval evenly, so that
 * shares come out right in small populations too. `dimension` 0 and 1 together cover the unit square evenly
 * (additive recurrence with the powers of the plastic number); the seed shifts the sequence.
 */
export function evenDraw(seed: number, index: number, dimension: 0 | 1): number {
  const step = dimension === 0 ? 0.754877666246693 : 0.569840290998053;
  const shift = (hashWord(seed, 0, "even", dimension) >>> 0) / TWO_32;
  const x = shift + index * step;
  return x - Math.floor(x);
}

/** Items with the running sums of their weights: see {@link weighted}. */
export interface Weighted<T> {
  readonly items: readonly T[];
  readonly sums: readonly number[];
}

/** A table from which {@link Random.choose} draws each item in proportion to its weight (weights need not sum to 1). */
export function weighted<T>(rows: readonly (readonly [T, number])[]): Weighted<T> {
  let sum = 0;
  return { items: rows.map((row) => row[0]), sums: rows.map((row) => (sum += row[1])) };
}

/** A stream of draws: the generator sfc32 (Chris Doty-Humphrey, PractRand; 128 bits of state, period at least 2^32). */
export class Random {
  private a: number;
  private b: number;
  private c: number;
  private counter: number;

  /** Four 32-bit words of state, as in the published algorithm. Use {@link Random.stream} outside tests. */
  constructor(a: number, b: number, c: number, counter: number) {
    this.a = a | 0;
    this.b = b | 0;
    this.c = c | 0;
    this.counter = counter | 0;
  }

  /** The stream named (seed, index, purpose). Seed and index are integers from 0 to 2^53 - 1. */
  static stream(seed: number, index: number, purpose: string): Random {
    const random = new Random(
      hashWord(seed, index, purpose, 0x9e3779b9),
      hashWord(seed, index, purpose, 0x243f6a88),
      hashWord(seed, index, purpose, 0xb7e15162),
      1,
    );
    for (let i = 0; i < 12; i++) random.word();
    return random;
  }

  /** The next 32 bits, as an integer from 0 to 2^32 - 1. */
  word(): number {
    const t = (((this.a + this.b) | 0) + this.counter) | 0;
    this.counter = (this.counter + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = (((this.c << 21) | (this.c >>> 11)) + t) | 0;
    return t >>> 0;
  }

  /** Uniform in [0, 1), in steps of 2^-32. */
  uniform(): number {
    return this.word() / TWO_32;
  }

  /** Uniform in [low, high). */
  between(low: number, high: number): number {
    return low + this.uniform() * (high - low);
  }

  /** A whole number from `low` to `high`, both included, each as likely (up to 2^32 of them). */
  whole(low: number, high: number): number {
    return low + Math.floor(this.uniform() * (high - low + 1));
  }

  /** True with probability `p`. */
  chance(p: number): boolean {
    return this.uniform() < p;
  }

  /**
   * About normal: the sum of four uniforms, scaled. Never further from `mean` than 3.46 standard deviations, which keeps
   * body measures and laboratory values possible.
   */
  normal(mean: number, deviation: number): number {
    const sum = this.word() + this.word() + this.word() + this.word();
    return mean + deviation * (sum / TWO_32 - 2) * 1.7320508075688772;
  }

  /** About log-normal: `median` times e to the power of a normal draw with deviation `sigma`. */
  logNormal(median: number, sigma: number): number {
    return median * exponential(this.normal(0, sigma));
  }

  /** A Poisson count with the given mean (Knuth's product method; for means up to about 50). */
  poisson(mean: number): number {
    const limit = exponential(-mean);
    let count = 0;
    for (let product = this.uniform(); product > limit; product *= this.uniform()) count++;
    return count;
  }

  /** One of `items`, each as likely. `items` must not be empty. */
  pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.uniform() * items.length)]!;
  }

  /** One item of the table, in proportion to its weight. */
  choose<T>(table: Weighted<T>): T {
    const { items, sums } = table;
    const at = this.uniform() * sums[sums.length - 1]!;
    let low = 0;
    let high = items.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sums[middle]! > at) high = middle;
      else low = middle + 1;
    }
    return items[low]!;
  }

  /** `count` random decimal digits. */
  digits(count: number): string {
    let text = "";
    for (let i = 0; i < count; i++) text += Math.floor(this.uniform() * 10);
    return text;
  }

  /** A random UUID (version 4 form, 36 characters, lower case). */
  uuid(): string {
    const a = this.word();
    const b = (this.word() & 0xffff0fff) | 0x4000;
    const c = (this.word() & 0x3fffffff) | 0x80000000;
    const d = this.word();
    return (
      `${HEX[a >>> 24]}${HEX[(a >>> 16) & 255]}${HEX[(a >>> 8) & 255]}${HEX[a & 255]}-` +
      `${HEX[b >>> 24]}${HEX[(b >>> 16) & 255]}-${HEX[(b >>> 8) & 255]}${HEX[b & 255]}-` +
      `${HEX[c >>> 24]}${HEX[(c >>> 16) & 255]}-${HEX[(c >>> 8) & 255]}${HEX[c & 255]}` +
      `${HEX[d >>> 24]}${HEX[(d >>> 16) & 255]}${HEX[(d >>> 8) & 255]}${HEX[d & 255]}`
    );
  }
}

const HEX: readonly string[] = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, "0"));
