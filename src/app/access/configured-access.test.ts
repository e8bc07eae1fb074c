import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { configJsonSchema, parseConfig } from "#config";
import { packageRoot } from "#kernel";
import { columnRules } from "#query";
import { permissions, tokenAlgorithms } from "#serving";
import { configuredRoles } from "./configured-access.js";

/** The lists of allowed words anywhere in the JSON Schema of the configuration. */
function wordLists(node: unknown): string[][] {
  if (Array.isArray(node)) return node.flatMap(wordLists);
  if (typeof node !== "object" || node === null) return [];
  const own = (node as { readonly enum?: unknown }).enum;
  const here = Array.isArray(own) ? [own.map(String).sort()] : [];
  return [...here, ...Object.values(node).flatMap(wordLists)];
}

const parsed = (security: unknown) => ({
  config: parseConfig({ security }, "test"),
  file: undefined,
  folder: ".",
});

describe("The security section of a configuration", () => {
  it("knows the same rules and algorithms as the server", () => {
    const lists = wordLists(configJsonSchema()["properties"]).map((list) => list.join());
    expect(lists).toContain([...columnRules].sort().join());
    expect(lists).toContain([...tokenAlgorithms].sort().join());
  });

  it("is as the documentation writes it", () => {
    const text = readFileSync(path.join(packageRoot(), "docs/security.md"), "utf8");
    const blocks = [...text.matchAll(/```json\n(.*?)```/gs)].map(([, json]) => JSON.parse(json!) as object);
    expect(blocks.length).toBeGreaterThanOrEqual(2);
    for (const block of blocks) {
      const config = parseConfig(block, "docs/security.md");
      expect(configuredRoles({ config, file: undefined, folder: "." }).names()).toContain("reader");
    }
    for (const permission of permissions.slice(1)) expect(text).toContain(`\`${permission}\``);
    for (const rule of columnRules) expect(text).toContain(`\`${rule}\``);
  });

  it("names what is wrong in it, and where", () => {
    const problem = (security: unknown): string => {
      try {
        configuredRoles(parsed(security));
        return "";
      } catch (error) {
        return error instanceof Error ? error.message : "";
      }
    };
    const role = { permissions: ["views.read"] };
    expect(problem({ roles: { r: role } })).toBe("");
    expect(problem({ roles: { r: { permissions: ["view.read"] } } })).toContain("views.read");
    expect(problem({ roles: { r: { ...role, column: {} } } })).toContain("columns");
    expect(problem({ roles: { r: { ...role, columns: { v: { c: "hide" } } } } })).toContain(
      "security.roles.r.columns.v.c",
    );
    expect(problem({ roles: { r: { ...role, rows: { v: [{ column: "c" }] } } } })).toContain("startsWith");
    expect(problem({ secret: "plain text" })).toContain("environment or a file");
    expect(problem({ secret: "plain text" })).not.toContain("plain text");
    const issuer = { issuer: "https://a", audience: "b", keys: "https://a/keys" };
    expect(problem({ issuers: [issuer] })).toBe("");
    expect(problem({ issuers: [{ ...issuer, keys: "http://a/keys" }] })).toContain("https");
    expect(problem({ issuers: [{ ...issuer, algorithms: ["HS256"] }] })).toContain("algorithms");
    expect(problem({ issuers: [{ ...issuer, algorithms: ["none"] }] })).toContain("algorithms");
  });
});
