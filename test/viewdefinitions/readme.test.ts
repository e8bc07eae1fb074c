import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { packageRoot } from "#kernel";
import { columnsOf, shippedViews } from "./shipped.js";

test("the README lists every view with its resource type and its number of columns, and no other", () => {
  const readme = readFileSync(path.join(packageRoot(), "viewdefinitions/README.md"), "utf8");
  const listed = [...readme.matchAll(/^\| \[(\w+)\]\((\S+)\) \| (\w+) \| .* \| (\d+) \|$/gm)].map((row) =>
    row.slice(1).join(" "),
  );
  const shipped = shippedViews().map(
    ({ name, family, view }) => `${name} ${family}/${name}.json ${view.resource} ${columnsOf(view).length}`,
  );
  expect(listed.sort()).toEqual(shipped.sort());
});
