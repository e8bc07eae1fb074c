import { z } from "zod";
import type { ServingContext, ServingDependencies, StatePin } from "../context.js";
import { instant, type JsonSchema, jsonAnswer, list, object, orNull, text, whole } from "../http/describe.js";
import { badRequest } from "../http/errors.js";
import { jsonBody } from "../http/json-body.js";
import { pathParameter, type RouteTable } from "../http/routes.js";
import { requirePins } from "./open-state.js";
import { prettyJson } from "./send.js";

const pinRequest = z.strictObject({
  name: z.string(),
  snapshot: z.int().positive().optional(),
  /** Seconds; without it the pin holds until it is released. */
  lifetimeSeconds: z.int().positive().max(10_000_000_000).optional(),
});

function shown(pin: StatePin): Record<string, unknown> {
  return { ...pin, until: pin.until ?? null, use: `pin=${pin.name}` };
}

function answer(body: unknown, status = 200): Response {
  const headers = { "Content-Type": "application/json", "Cache-Control": "no-store" };
  return new Response(prettyJson(body), { status, headers });
}

async function create(context: ServingContext, dependencies: ServingDependencies): Promise<Response> {
  const pins = requirePins(dependencies);
  const body = pinRequest.safeParse(await jsonBody(context));
  if (!body.success) {
    const [issue] = body.error.issues;
    throw badRequest(
      "bad-pin",
      `The pin cannot be read: ${issue?.path.join(".") ?? ""} ${issue?.message ?? ""}. Send {"name": "…"}, and if wanted "snapshot" and "lifetimeSeconds".`,
    );
  }
  const { name, snapshot, lifetimeSeconds } = body.data;
  const made = await pins.create({
    name,
    ...(snapshot === undefined ? {} : { snapshot }),
    ...(lifetimeSeconds === undefined ? {} : { lifetimeMs: lifetimeSeconds * 1000 }),
  });
  return answer(shown(made), 201);
}

const pinSchema = object({
  name: text("Its name, which never comes to mean another state."),
  snapshot: whole("The snapshot that it keeps."),
  createdAt: instant("When it was made."),
  until: orNull(instant("When it ends by itself; null when it holds until it is released.")),
  use: text("The parameter that reads it."),
});

/** Names under which states stay readable. */
export function pinRoutes(table: RouteTable, dependencies: ServingDependencies): void {
  table.add(
    {
      method: "GET",
      path: "/pins",
      permission: "metadata.read",
      summary: "The pinned states",
      query: [],
      answer: jsonAnswer("All pins that hold.", object({ pins: list(pinSchema) })),
    },
    async () => answer({ pins: (await requirePins(dependencies).list()).map(shown) }),
  );
  table.add(
    {
      method: "POST",
      path: "/pins",
      permission: "pins.write",
      summary: "Pin a state under a name",
      query: [],
      body: {
        description: "The name, and what is pinned: everything accepted so far, or a snapshot.",
        contentType: "application/json",
        schema: z.toJSONSchema(pinRequest) as JsonSchema,
        example: { name: "paper-2026", lifetimeSeconds: 86_400 },
      },
      answer: jsonAnswer("The pin that was made.", pinSchema, { status: 201 }),
    },
    async (context) => await create(context, dependencies),
  );
  table.add(
    {
      method: "DELETE",
      path: "/pins/:name",
      permission: "pins.write",
      summary: "Release a pin for good",
      params: { name: "Name of the pin." },
      query: [],
      answer: jsonAnswer("The pin that was released.", pinSchema),
    },
    async (context) => answer(shown(await requirePins(dependencies).release(pathParameter(context, "name")))),
  );
}
