import { LakeError } from "#kernel";

/** Who there is, by which rules they pass: everything that attrition in any order is computed from. */
export interface MaskCounts {
  /** Persons in the lake, or in the sources of the cohort. */
  readonly persons: number;
  /** Persons who belong to the cohort. */
  readonly members: number;
  /** By mask; bit `i` says that rule `i` is passed. Persons with an index only. */
  readonly masks: ReadonlyMap<bigint, number>;
}

/** A line of the attrition. */
export interface AttritionStep {
  readonly name: string;
  /** Number of the rule as `order` takes it, from 0; absent for the first two lines. */
  readonly rule?: number;
  /** Persons left after it. Null when suppressed: fewer than k, or fewer than k would follow by subtraction. */
  readonly remaining: number | null;
  /** Null when either number that it is the difference of is suppressed. */
  readonly removed: number | null;
}

function checkOrder(order: readonly number[], ruleCount: number): void {
  const sorted = [...order].sort((a, b) => a - b);
  if (sorted.length === ruleCount && sorted.every((rule, index) => rule === index)) return;
  throw new LakeError(
    "invalid-input",
    "cohort/bad-order",
    `order names each rule once: some order of ${Array.from({ length: ruleCount }, (_, index) => index).join(",")}.`,
  );
}

/** The exact attrition, rules applied in the order given (that of the definition when absent). Fails with `cohort/bad-order`. */
export function attrition(
  counts: MaskCounts,
  names: readonly string[],
  order: readonly number[] = names.map((_, index) => index),
): readonly AttritionStep[] {
  checkOrder(order, names.length);
  const { persons, masks } = counts;
  let passed = 0n;
  let before = persons;
  const step = (name: string, rule?: number): AttritionStep => {
    if (rule !== undefined) passed += 2n ** BigInt(rule);
    let remaining = 0;
    for (const [mask, count] of masks) if ((mask & passed) === passed) remaining += count;
    const removed = before - remaining;
    before = remaining;
    return { name, ...(rule === undefined ? {} : { rule }), remaining, removed };
  };
  return [
    { name: "persons", remaining: persons, removed: 0 },
    step("with an index"),
    ...order.map((rule) => step(names[rule]!, rule)),
  ];
}

/**
 * The attrition as it may be shown: a number is left out when it is from 1 to k-1 or differs from the next one shown by 1 to k-1. The
 * last line is decided first, since it is the count of the cohort, which stands elsewhere, too.
 */
export function suppressAttrition(steps: readonly AttritionStep[], k: number): readonly AttritionStep[] {
  const shown: (number | null)[] = [];
  let next: number | undefined;
  for (const { remaining } of [...steps].reverse()) {
    const value = remaining!;
    const small = (value > 0 && value < k) || (next !== undefined && value !== next && value - next < k);
    if (!small) next = value;
    shown.unshift(small ? null : value);
  }
  return steps.map((step, index) => {
    const [before, after] = [index === 0 ? step.remaining : shown[index - 1]!, shown[index]!];
    return { ...step, remaining: after, removed: before === null || after === null ? null : before - after };
  });
}
