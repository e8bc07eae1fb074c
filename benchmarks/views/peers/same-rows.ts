import { Database, quoteIdentifier, quoteLiteral } from "#duckdb";

/** A column of a view, and whether its values are keys: peers differ in whether a key begins with its type. */
export interface ComparedColumn {
  readonly name: string;
  readonly isKey: boolean;
  readonly isNumber: boolean;
}

function text({ name, isKey, isNumber }: ComparedColumn): string {
  const column = quoteIdentifier(name);
  if (isNumber) return `TRY_CAST(${column} AS DOUBLE)`;
  return isKey ? `regexp_replace(${column}, '^.*/', '')` : column;
}

function rowsOf(place: string, columns: readonly ComparedColumn[]): string {
  const types = columns.map(({ name }) => `${quoteLiteral(name)}: 'VARCHAR'`).join(", ");
  const list = columns.map(text).join(", ");
  return `SELECT ${list} FROM read_json(${quoteLiteral(place)}, format = 'newline_delimited', columns = {${types}})`;
}

/** How many rows stand in only one of two files or globs of JSON rows, compared as bags over the columns, numbers by value. */
export async function differentRows(
  ours: string,
  theirs: string,
  columns: readonly ComparedColumn[],
): Promise<number> {
  const [a, b] = [rowsOf(ours, columns), rowsOf(theirs, columns)];
  const database = await Database.open({ threads: 2 });
  try {
    const [row] = await database.with((connection) =>
      connection.rows<{ n: string }>(
        `SELECT (SELECT count(*) FROM (${a} EXCEPT ALL ${b})) + (SELECT count(*) FROM (${b} EXCEPT ALL ${a})) AS n`,
      ),
    );
    return Number(row?.n);
  } finally {
    database.close();
  }
}
