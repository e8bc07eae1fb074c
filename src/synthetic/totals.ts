import type { DiabetesStatus } from "./chart.js";
import type { TruthRow } from "./truth.js";

/** Counts of people, over the truth table. An adult is 18 or older at the end of the record. */
export interface PeopleTotals {
  readonly adults: number;
  readonly deceased: number;
  /** Patients into whom another Patient resource was merged. */
  readonly merged: number;
  readonly type2Diabetes: number;
  /** Share of adults with type 2 diabetes. */
  readonly type2ShareOfAdults: number;
  readonly hypertension: number;
  readonly hypertensionShareOfAdults: number;
  readonly diabetesStories: Readonly<Partial<Record<DiabetesStatus, number>>>;
}

/** Counts people as their truth goes by. */
export class PeopleCount {
  private adults = 0;
  private deceased = 0;
  private merged = 0;
  private type2 = 0;
  private hypertension = 0;
  private readonly stories: Partial<Record<DiabetesStatus, number>> = {};

  add(row: TruthRow): void {
    if (row.age >= 18) this.adults++;
    if (row.deceased) this.deceased++;
    if (row.replaces_id !== "") this.merged++;
    if (row.has_t2d) this.type2++;
    if (row.has_hypertension) this.hypertension++;
    this.stories[row.diabetes_story] = (this.stories[row.diabetes_story] ?? 0) + 1;
  }

  /** The counts so far; shares are rounded to four digits. */
  totals(): PeopleTotals {
    const share = (count: number) =>
      this.adults === 0 ? 0 : Math.round((count / this.adults) * 10_000) / 10_000;
    return {
      adults: this.adults,
      deceased: this.deceased,
      merged: this.merged,
      type2Diabetes: this.type2,
      type2ShareOfAdults: share(this.type2),
      hypertension: this.hypertension,
      hypertensionShareOfAdults: share(this.hypertension),
      diabetesStories: Object.fromEntries(Object.entries(this.stories).sort(([a], [b]) => (a < b ? -1 : 1))),
    };
  }
}
