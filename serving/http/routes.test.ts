import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import { LakeError } from "#kernel";
import type { ServingEnv } from "../context.js";
import { Timing } from "../observe/timing.js";
import { textAnswer } from "./describe.js";
import { type Guard, pathParameter, type Route, RouteTable } from "./routes.js";

const thing: Route = {
  method: "GET",
  path: "/things/:id",
  permission: "views.read",
  summary: "A thing",
  params: { id: "Which." },
  query: [{ name: "colour", description: "Of things.", schema: { type: "string" } }],
  answer: textAnswer("The thing.", "text/plain"),
};

const open: Guard = async (_context, _route, answer) => await answer();

function tableOf(guard: Guard = open): { app: Hono<ServingEnv>; table: RouteTable } {
  const app = new Hono<ServingEnv>();
  app.use(async (context, next) => {
    context.set("notes", { requestId: "1", timing: new Timing() });
    await next();
  });
  const table = new RouteTable(app, guard);
  table.add(thing, (context) => context.text(pathParameter(context, "id")));
  table.add(
    { ...thing, method: "DELETE", permission: "pins.write", summary: "Ends it", query: [] },
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

  it("refuses parameters that a route does not describe, naming the nearest, but not before it asked who may", async () => {
    const { app } = tableOf();
    expect((await app.request("/things/7?colour=red")).status).toBe(200);
    expect(await (await app.request("/things/7?color=red")).text()).toContain("Did you mean 'colour'?");
    expect((await app.request("/things/7?colour=red", { method: "DELETE" })).status).toBe(403);
    const closed = tableOf(() => Promise.reject(new LakeError("invalid-input", "serving/forbidden", "no")));
    expect(await (await closed.app.request("/things/7?color=red")).text()).toBe("no");
  });

  it.each<[string, Route]>([
    ["a summary", { ...thing, summary: " " }],
    ["a parameter of its path", { ...thing, params: {} }],
    ["what a parameter of its path is", { ...thing, params: { id: "" } }],
    ["only parameters of its path", { ...thing, params: { id: "Which.", other: "None." } }],
    ["what a parameter is", { ...thing, query: [{ name: "colour", description: "", schema: {} }] }],
    ["its answer", { ...thing, answer: textAnswer("", "text/plain") }],
  ])("takes no route that does not describe %s", (_, route) => {
    const { table } = tableOf();
    expect(() => table.add(route, () => new Response("x"))).toThrow("Describe GET /things/:id");
  });
});
