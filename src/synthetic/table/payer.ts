import { type Weighted, weighted } from "../random.js";

/** A health insurer. */
export interface Payer {
  readonly name: string;
  readonly kind: "public" | "private" | "self";
}

/** The insurers; indexes are stable. */
export const PAYERS: readonly Payer[] = [
  { name: "Medicare", kind: "public" },
  { name: "Medicaid", kind: "public" },
  { name: "Dual Eligible", kind: "public" },
  { name: "Humana", kind: "private" },
  { name: "Blue Cross Blue Shield", kind: "private" },
  { name: "UnitedHealthcare", kind: "private" },
  { name: "Aetna", kind: "private" },
  { name: "Cigna Health", kind: "private" },
  { name: "Anthem", kind: "private" },
  { name: "NO_INSURANCE", kind: "self" },
];

/** Insurer (index) of people below 65. */
export const PAYER_YOUNG: Weighted<number> = weighted([
  [1, 18],
  [3, 12],
  [4, 22],
  [5, 14],
  [6, 12],
  [7, 9],
  [8, 7],
  [9, 6],
]);
/** Insurer (index) of people of 65 and over. */
export const PAYER_OLD: Weighted<number> = weighted([
  [0, 78],
  [2, 14],
  [3, 8],
]);
