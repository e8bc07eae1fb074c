import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { instantHex } from "./instant.js";
import {
  ORDER_KEY_LENGTH,
  type OrderKeyInput,
  type OrderPolicy,
  orderKey,
  u48Hex,
  versionHex,
} from "./order-key.js";
import { resourceKey } from "./resource-key.js";

const U64 = 2n ** 64n - 1n;

/** The rule of the architecture, told in values instead of digits. */
function compareByRule(a: OrderKeyInput, b: OrderKeyInput): number {
  const time = (x: OrderKeyInput): bigint => {
    const ns = x.lastUpdatedNs ?? BigInt(x.fallbackTimeMs) * 1_000_000n;
    return ns < 0n ? 0n : ns > U64 ? U64 : ns;
  };
  const version = (x: OrderKeyInput): bigint => {
    if (!/^\d{1,20}$/.test(x.versionId ?? "")) return 0n;
    const value = BigInt(x.versionId!);
    return value > U64 ? 0n : value;
  };
  const parts = (x: OrderKeyInput): (bigint | string)[] => [
    ...(x.policy === "time" ? [time(x), version(x)] : [version(x), time(x)]),
    x.deleted ? 1n : 0n,
    BigInt(x.sequence),
    BigInt(x.position),
    x.rawHash.slice(0, 32),
  ];
  const [left, right] = [parts(a), parts(b)];
  for (let i = 0; i < left.length; i++) {
    if (left[i]! < right[i]!) return -1;
    if (left[i]! > right[i]!) return 1;
  }
  return 0;
}

const small = fc.constantFrom(0, 1, 2);
const versionId = fc.oneof(
  fc.constantFrom(undefined, "", "1", "2", "10", "abc", "1.5", "-1", "007"),
  fc.bigInt({ min: 0n, max: 2n ** 66n }).map(String),
);
const lastUpdatedNs = fc.oneof(
  fc.constant(undefined),
  fc.bigInt({ min: -(10n ** 19n), max: 3n * 10n ** 20n }),
  fc.bigInt({ min: 0n, max: 3n }),
);

function input(policy: OrderPolicy): fc.Arbitrary<OrderKeyInput> {
  return fc.record({
    policy: fc.constant(policy),
    lastUpdatedNs,
    versionId,
    fallbackTimeMs: fc.oneof(fc.integer({ min: 0, max: 4e12 }), small),
    deleted: fc.boolean(),
    sequence: fc.oneof(fc.integer({ min: 0, max: 2 ** 48 - 1 }), small),
    position: fc.oneof(fc.integer({ min: 0, max: 2 ** 48 - 1 }), small),
    rawHash: small.map((n) => createHash("sha256").update(String(n)).digest("hex")),
  });
}

describe("order keys", () => {
  it.each(["time", "version"] as const)("compare as text as the rule of policy %s says", (policy) => {
    fc.assert(
      fc.property(input(policy), input(policy), (a, b) => {
        const [left, right] = [orderKey(a), orderKey(b)];
        expect(left).toMatch(/^[0-9a-f]+$/);
        expect(left).toHaveLength(ORDER_KEY_LENGTH);
        expect(left < right ? -1 : left > right ? 1 : 0).toBe(compareByRule(a, b));
      }),
      { seed: 7, numRuns: 3000 },
    );
  });

  it("take the same time digits from nanoseconds and from an instant", () => {
    const bound = { min: -100_000, max: 20_000_000_000 };
    fc.assert(
      fc.property(fc.integer(bound), fc.integer({ min: 0, max: 999_999_999 }), (seconds, nanos) => {
        const ns = BigInt(seconds) * 1_000_000_000n + BigInt(nanos);
        const clamped = ns < 0n ? 0n : ns > U64 ? U64 : ns;
        expect(instantHex({ seconds, nanos })).toBe(clamped.toString(16).padStart(16, "0"));
      }),
      { seed: 7, numRuns: 2000 },
    );
  });

  it("put a delete above an update of the same version", () => {
    const base = { policy: "version", lastUpdatedNs: 5n, versionId: "3", fallbackTimeMs: 0 } as const;
    const update = orderKey({ ...base, deleted: false, sequence: 9, position: 9, rawHash: "f".repeat(64) });
    const deletion = orderKey({ ...base, deleted: true, sequence: 1, position: 1, rawHash: "0".repeat(64) });
    expect(deletion > update).toBe(true);
  });

  it("treat a version beyond 64 bits as no number", () => {
    expect(versionHex("18446744073709551615")).toBe("f".repeat(16));
    expect(versionHex("18446744073709551616")).toBe("0".repeat(16));
    expect(versionHex("9007199254740993")).toBe(9007199254740993n.toString(16).padStart(16, "0"));
  });

  it("refuse a position that does not fit", () => {
    expect(() => u48Hex(2 ** 48)).toThrow(/2\^48/);
    expect(() => u48Hex(-1)).toThrow(/2\^48/);
  });
});

describe("resource keys", () => {
  it("are 128 bits of a hash over source, type and id", () => {
    const digest = createHash("sha256").update("hospital\0Patient\x001").digest("hex");
    expect(resourceKey("hospital", "Patient", "1")).toBe(digest.slice(0, 32));
  });

  it("keep sources, types and letter case apart", () => {
    const keys = [
      resourceKey("", "Patient", "1"),
      resourceKey("a", "Patient", "1"),
      resourceKey("b", "Patient", "1"),
      resourceKey("a", "Person", "1"),
      resourceKey("a", "Patient", "A"),
      resourceKey("a", "Patient", "a"),
    ];
    expect(new Set(keys).size).toBe(keys.length);
  });
});
