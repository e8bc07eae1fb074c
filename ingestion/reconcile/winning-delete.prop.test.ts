import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { instantNs, type OrderPolicy, orderKey } from "#landing";
import { winningDelete } from "./winning-delete.js";

const hash = fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: 64, maxLength: 64 });
const version = fc.option(fc.oneof(fc.bigInt({ min: 0n, max: 10n ** 18n }).map(String), fc.constant("abc")), {
  nil: undefined,
});
const time = fc.option(fc.bigInt({ min: 0n, max: 4_000_000_000_000_000_000n }), { nil: undefined });

describe("a delete made by comparison", () => {
  it.each<OrderPolicy>(["time", "version"])(
    "beats the lake's version, whatever its clock says (%s)",
    (policy) => {
      fc.assert(
        fc.property(
          hash,
          version,
          time,
          fc.integer({ min: 0, max: 4e12 }),
          (rawHash, versionId, ns, listedMs) => {
            const common = { policy, fallbackTimeMs: listedMs, position: 1, rawHash };
            const order = orderKey({ ...common, lastUpdatedNs: ns, versionId, deleted: false, sequence: 5 });
            const at = new Date(listedMs).toISOString();
            const made = winningDelete({ type: "Patient", id: "a", order }, policy, at);
            const deleted = orderKey({
              ...common,
              lastUpdatedNs: instantNs(made.lastModified!),
              versionId: made.versionId,
              deleted: true,
              sequence: 6,
            });
            expect(deleted > order).toBe(true);
          },
        ),
        { seed: 7, numRuns: 500 },
      );
    },
  );
});
