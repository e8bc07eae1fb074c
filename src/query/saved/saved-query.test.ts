import { describe, expect, it } from "vitest";
import { isLakeError } from "#kernel";
import { loadSavedQueries, shippedQueriesDirectory } from "./load.js";
import { parameterValue, parseSavedQuery, type SavedParameter } from "./saved-query.js";

function complaint(sql: string): string {
  try {
    parseSavedQuery("q", "q.sql", sql);
  } catch (error) {
    if (isLakeError(error, "query/saved-invalid")) return error.message;
    throw error;
  }
  throw new Error("It was accepted.");
}

describe("the header of a saved query", () => {
  it("holds its description and its parameters", () => {
    const { title, description, parameters } = parseSavedQuery(
      "q",
      "q.sql",
      '\r\n-- What it answers.\n--   And more.\n-- @param since date = 2026-01-01: from this day\n-- @param codes text[] = "a:b"\n--\nSELECT 1 -- @param not here\n',
    );
    expect(title).toBe("What it answers.");
    expect(description).toBe("What it answers.\nAnd more.");
    expect(parameters).toEqual([
      { name: "since", type: "date", list: false, default: "2026-01-01", description: "from this day" },
      { name: "codes", type: "text", list: true, default: "a:b", description: "" },
    ]);
  });

  it.each([
    ["SELECT 1", "line 1: a saved query begins with a comment"],
    ["-- x\n-- @parm a text\nSELECT 1", "line 2: only @param"],
    ["-- x\n-- @param a txt\nSELECT 1", "Did you mean 'text'"],
    ["-- x\n-- @param A text\nSELECT 1", "line 2: names of parameters"],
    ["-- x\n-- @param limit integer\nSELECT 1", "'limit' has a meaning"],
    ["-- x\n-- @param a text\n-- @param a text\nSELECT 1", "line 3: the parameter 'a' is declared twice"],
    ["-- x\n-- @param a date = 2026-02-30\nSELECT 1", "the default of 'a' is no date"],
    ["-- x\n-- @param a\nSELECT 1", "line 2: a parameter is declared as"],
  ])("is refused: %j", (sql, said) => {
    expect(complaint(sql)).toContain(said);
    expect(complaint(sql)).toContain("q.sql");
  });
});

describe("the value of a list", () => {
  const list: SavedParameter = { name: "l", type: "text", list: true, default: undefined, description: "" };

  it.each([
    ["a", ["a"]],
    ["a,b", ["a", "b"]],
    ["a,,b", ["a", "", "b"]],
    ["a,", ["a", ""]],
    [",a", ["", "a"]],
    ['"a,b",c', ["a,b", "c"]],
    ['"a\\"b"', ['a"b']],
    ["44054006, 73211009", ["44054006", " 73211009"]],
  ])("%s has the items %j", (text, items) => {
    expect(parameterValue(list, text)).toEqual({
      kind: "list",
      items: items.map((item) => ({ kind: "text", text: item })),
    });
  });
});

it("comes with the program, several times", async () => {
  const queries = await loadSavedQueries([shippedQueriesDirectory()]);
  expect(queries.size).toBeGreaterThanOrEqual(3);
  await expect(loadSavedQueries(["/nowhere/at/all"])).rejects.toMatchObject({ code: "query/no-such-folder" });
});
