/** Values of a statement that are bound, so that its text never depends on them. Shared by all parts of one statement. */
export class Bindings {
  readonly values: string[] = [];

  /** An expression that stands for the value. */
  bind(value: string, sqlType: string): string {
    return `CAST($${this.values.push(value)} AS ${sqlType})`;
  }

  text(value: string): string {
    return this.bind(value, "VARCHAR");
  }

  /** A day such as `2024-02-29` as its number since 1970. */
  day(value: string): string {
    return `(${this.bind(value, "DATE")} - DATE '1970-01-01')`;
  }

  /** A one-column subquery of texts: one value to bind, however many there are. */
  texts(values: readonly string[]): string {
    return `(SELECT unnest(from_json(${this.text(JSON.stringify(values))}, '["VARCHAR"]')))`;
  }
}
