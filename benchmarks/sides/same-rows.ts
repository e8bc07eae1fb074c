// Compares a materialized view with a Parquet file as bags over the file's columns. Arguments: lake folder, view name, file.
import { Database, quoteIdentifier } from "#duckdb";
import { Lake, viewRows } from "#lake";
import { reportCost } from "../measure.js";

const [location, name, file] = process.argv.slice(2);
const lake = await Lake.open({ location: location!, mustExist: true });
const database = await Database.open({ memoryLimitBytes: 2 ** 30 });
await reportCost(async () => {
  const rows = await viewRows(lake, (await lake.head()).views[name!]!);
  const connection = await database.connect();
  const columns = (await connection.rows<{ column_name: string }>(`DESCRIBE SELECT * FROM '${file}'`))
    .map((row) => quoteIdentifier(row.column_name))
    .join(", ");
  const [count] = await connection.rows<{ n: string; d: string }>(
    `SELECT (SELECT count(*) FROM ${rows}) AS n,
            (SELECT count(*) FROM (SELECT ${columns} FROM ${rows} EXCEPT ALL SELECT ${columns} FROM '${file}'))
          + (SELECT count(*) FROM (SELECT ${columns} FROM '${file}' EXCEPT ALL SELECT ${columns} FROM ${rows})) AS d`,
  );
  return { rows: Number(count?.n), different: Number(count?.d) };
});
database.close();
await lake.close();
