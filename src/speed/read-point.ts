/** A point at which live rows are read: journal positions up to `position` count, over snapshot `snapshot` (0: no snapshot yet). */
export interface ReadPoint {
  readonly snapshot: number;
  readonly position: number;
}
