import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import { LakeError } from "#kernel";
import type { ServingEnv } from "../context.js";
import { type Guard, pathParameter, RouteTable } from "./routes.js";

const open: Guard = async (_context, _route, answer) => await answer();

function tableOf(guard: Guard = open): { app: Hono<ServingEnv>; table: RouteTable } {
  const app = new Hono<ServingEnv>();
  const table = new RouteTable(app, guard);
  table.add({ method: "GET", path: "/things/:id", permission: "views.read", summary: "A thing" }, (context) =>
    context.text(pathParameter(context, "id")),
  );
  table.add(
    { method: "DELETE", path: "/things/:id", permission: "pins.write", summary: "Ends it" },
    (context) => context.text("gone"),
  );
  app.notFound((context) => context.text(table.unanswered(context).message, 404));
  app.onError((error, context) => context.text(error.message, 403));
  return { app, table };
}

describe("A route table", () => {
  it("answers its routes with the parameters of their addresses", async () => {
    const { app } = tableOf();
    expect(await (await app.request("/things/a%20b")).text()).toBe("a b");
    expect(await (await app.request("/things/7", { method: "DELETE" })).text()).toBe("gone");
  });

  it("asks who may before a route sees the request", async () => {
    const { app } = tableOf(() => Promise.reject(new LakeError("invalid-input", "serving/forbidden", "no")));
    const answer = await app.request("/things/7");
    expect([answer.status, await answer.text()]).toEqual([403, "no"]);
  });

  it("names the methods of an address that has others, and says so where there is nothing", async () => {
    const { app, table } = tableOf();
    expect(table.methodsAt("/things/7")).toEqual(["GET", "HEAD", "DELETE"]);
    expect(table.methodsAt("/things/7/more")).toEqual([]);
    expect(await (await app.request("/things/7", { method: "POST" })).text()).toContain(
      "GET and HEAD and DELETE",
    );
    expect(await (await app.request("/nothing")).text()).toContain("nothing at this address");
  });
});
