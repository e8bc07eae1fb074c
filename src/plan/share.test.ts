import { describe, expect, it } from "vitest";
import { call, integer, text } from "./build.js";
import { TEXT } from "./data-type.js";
import { explainPlan } from "./explain.js";
import type { Expr } from "./expression.js";
import type { Plan, Relation } from "./relation.js";
import { shareSubexpressions } from "./share.js";
import { createUsage } from "./usage.js";

const names = createUsage("HumanName", true);
const resource: Expr = { kind: "row" };
const nameField: Expr = { kind: "field", base: resource, name: "name", usage: names };
const use = createUsage("code", false);
const family = createUsage("string", false);

/** `name.where(use = …).first()`, with a variable name of its own each time. */
function firstName(variable: string, wanted = "official"): Expr {
  const item: Expr = { kind: "variable", name: variable };
  const body = call("equal", { kind: "field", base: item, name: "use", usage: use }, text(wanted));
  return call("listItem", { kind: "filter", list: nameField, variable, body }, integer(0));
}

function familyOf(base: Expr): Expr {
  return { kind: "field", base, name: "family", usage: family };
}

function plan(relation: Relation, ...exprs: readonly Expr[]): Plan {
  return {
    resource: "Patient",
    relation,
    columns: exprs.map((expr, i) => ({ name: `c${i}`, expr, type: TEXT })),
  };
}

const SCAN: Relation = { kind: "scan" };

describe("sharing", () => {
  it("computes a costly expression once, however its variables are called", () => {
    const shared = shareSubexpressions(
      plan(
        SCAN,
        familyOf(firstName("v1")),
        call("upper", { kind: "field", base: firstName("v9"), name: "use", usage: use }),
      ),
    );
    expect(explainPlan(shared)).toBe(
      [
        "project Patient",
        "  | c0: text := #s1.family",
        "  | c1: text := upper(#s1.use)",
        "  extend",
        '    | #s1 := listItem(filter(name, v1 => equal(v1.use, "official")), 0)',
        "    scan",
      ].join("\n"),
    );
  });

  it("leaves expressions alone that occur once or differ", () => {
    const before = plan(SCAN, familyOf(firstName("v1")), familyOf(firstName("v2", "usual")));
    expect(explainPlan(shareSubexpressions(before))).not.toContain("extend");
  });

  it("computes above a filter what only the remaining rows need", () => {
    const relation: Relation = { kind: "filter", input: SCAN, predicate: call("isNotNull", nameField) };
    const text = explainPlan(
      shareSubexpressions(plan(relation, familyOf(firstName("v1")), familyOf(firstName("v2")))),
    );
    expect(text.indexOf("extend")).toBeLessThan(text.indexOf("filter isNotNull"));
  });

  it("computes a costly column before the unnest that would repeat it", () => {
    const relation: Relation = { kind: "unnest", input: SCAN, list: nameField, item: "#1", index: "#2" };
    const text = explainPlan(
      shareSubexpressions(plan(relation, familyOf(firstName("v1")), { kind: "column", name: "#1" })),
    );
    expect(text.indexOf("unnest #1")).toBeLessThan(text.indexOf("extend"));
    expect(text).toContain("c0: text := #s1");
  });

  it("never moves what can stop the statement to rows that may not come", () => {
    const failing: Expr = {
      kind: "case",
      when: [
        [
          call("less", integer(1), call("listLength", nameField)),
          { kind: "fail", code: "multiple-values", subject: "x" },
        ],
      ],
      otherwise: familyOf(firstName("v1")),
    };
    const relation: Relation = { kind: "unnest", input: SCAN, list: nameField, item: "#1" };
    const text = explainPlan(shareSubexpressions(plan(relation, failing)));
    expect(text.indexOf("fail(")).toBeLessThan(text.indexOf("unnest"));
  });

  it("carries members through an unnest instead of the struct they are read from", () => {
    const maritalStatus: Expr = { kind: "field", base: resource, name: "maritalStatus", usage: use };
    const relation: Relation = { kind: "unnest", input: SCAN, list: nameField, item: "#1" };
    const member: Expr = { kind: "field", base: maritalStatus, name: "text", usage: family };
    expect(explainPlan(shareSubexpressions(plan(relation, call("upper", member), member)))).toBe(
      [
        "project Patient",
        "  | c0: text := upper(#s1)",
        "  | c1: text := #s1",
        "  unnest #1 of name",
        "    extend",
        "      | #s1 := maritalStatus.text",
        "      scan",
      ].join("\n"),
    );
  });

  it("carries a struct that is also read as a whole, and nothing beside it", () => {
    const maritalStatus: Expr = { kind: "field", base: resource, name: "maritalStatus", usage: use };
    const relation: Relation = { kind: "unnest", input: SCAN, list: nameField, item: "#1" };
    const member: Expr = { kind: "field", base: maritalStatus, name: "text", usage: family };
    const text = explainPlan(shareSubexpressions(plan(relation, maritalStatus, member)));
    expect(text).toContain("c1: text := maritalStatus.text");
    expect(text).not.toContain("extend");
  });
});
