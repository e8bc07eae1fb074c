// The limit: hand-written SQL over the same lake files into Parquet. Arguments: lake folder, view name, output file.
import { readFileSync } from "node:fs";
import path from "node:path";
import { Database } from "#duckdb";
import { packageRoot } from "#kernel";
import { Lake } from "#lake";
import { reportCost } from "../measure.js";

const [location, name, out] = process.argv.slice(2);
const lake = await Lake.open({ location: location!, mustExist: true });
const { tables } = await lake.head();
const sql = readFileSync(path.join(packageRoot(), "benchmarks", "hand-sql", `${name}.sql`), "utf8");
const type = /-- over (\w+)/.exec(sql)![1]!;
const files = await lake.paths(tables[type]!.layers.flatMap((layer) => layer.files));
await lake.close();
const database = await Database.open({ memoryLimitBytes: 736 * 2 ** 20 });
const relation = `read_parquet([${files.map((file) => `'${file}'`).join(", ")}])`;
await reportCost(async () => {
  const connection = await database.connect();
  const [row] = await connection.rows<{ Count: string }>(
    `COPY (${sql.replace("$table", relation)}) TO '${out}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 20480)`,
  );
  return { rows: Number(row?.Count) };
});
database.close();
