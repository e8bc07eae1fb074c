/** Collects values to bind; the text that stands for a value never depends on it. */
export class Bindings {
  readonly values: string[] = [];

  /** The value as SQL of a type. */
  bind(value: string, sqlType: string): string {
    return `CAST(${this.plain(value)} AS ${sqlType})`;
  }

  /** The value as SQL of whatever type it is compared with. */
  plain(value: string): string {
    return `$${this.values.push(value)}`;
  }
}
