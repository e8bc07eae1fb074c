import { expect, it } from "vitest";
import { Database } from "#duckdb";
import { allowedFunctions } from "./function-list.js";

it("lists only functions that this engine has", async () => {
  const database = await Database.open();
  const rows = await database.with((connection) =>
    connection.rows<{ name: string }>("SELECT DISTINCT lower(function_name) AS name FROM duckdb_functions()"),
  );
  database.close();
  const known = new Set(rows.map((row) => row.name));
  const special = new Set(["coalesce", "ifnull", "if", "grouping", "grouping_id", "->"]);
  const unknown = [...allowedFunctions].filter(
    (name) => !known.has(name) && !special.has(name) && !/^(list|array)_/.test(name),
  );
  expect(unknown).toEqual([]);
});
