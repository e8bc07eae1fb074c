import { type BundleEntry, bundleText } from "../bundle.js";
import { instant } from "../clock.js";
import type { FhirRequest } from "../context.js";
import { memberText } from "../json-text.js";
import { FhirRefusal, fhirJson, operationOutcome } from "../outcome.js";
import type { ServerContext } from "../server-context.js";
import type { StoredVersion } from "../store.js";

interface Action {
  readonly method: "POST" | "PUT" | "DELETE" | "GET";
  readonly type: string;
  readonly id: string | undefined;
  readonly ifMatch: string | undefined;
  readonly body: Buffer | undefined;
}

/** POST [base]: a transaction (all or nothing) or a batch (each entry by itself) of reads and writes. */
export async function runTransaction(context: ServerContext, request: FhirRequest): Promise<Response> {
  const body = await request.body();
  const { type, actions } = readActions(body);
  if (type === "transaction") for (const action of actions) checkAction(context, action);
  const entries = actions.map((action) => {
    try {
      return perform(context, action);
    } catch (error) {
      if (type === "transaction" || !(error instanceof FhirRefusal)) throw error;
      return refused(error);
    }
  });
  return fhirJson(
    bundleText({ type: type === "transaction" ? "transaction-response" : "batch-response", entries }),
  );
}

function readActions(body: Buffer): { type: "transaction" | "batch"; actions: Action[] } {
  let bundle: { type?: unknown; entry?: { request?: Record<string, string> }[] };
  try {
    bundle = JSON.parse(body.toString()) as typeof bundle;
  } catch {
    throw new FhirRefusal(400, "structure", "The body is no JSON.");
  }
  if (bundle.type !== "transaction" && bundle.type !== "batch")
    throw new FhirRefusal(400, "invalid", "Only a Bundle of type transaction or batch can be posted here.");
  const texts = elementsOf(memberText(body, "entry") ?? Buffer.from("[]"));
  const actions = (bundle.entry ?? []).map(({ request }, index): Action => {
    const [type = "", id] = (request?.["url"] ?? "").split("?")[0]!.split("/");
    return {
      method: (request?.["method"] ?? "") as Action["method"],
      type,
      id,
      ifMatch: request?.["ifMatch"],
      body: memberText(texts[index]!, "resource"),
    };
  });
  return { type: bundle.type, actions };
}

/** The texts of an array's elements: an array is cut like an object whose members have numbers for names. */
function elementsOf(array: Buffer): Buffer[] {
  const texts: Buffer[] = [];
  let depth = 0;
  let start = 0;
  for (let at = 0; at < array.length; at++) {
    const byte = array[at];
    if (byte === 0x22) {
      for (at++; array[at] !== 0x22; at++) if (array[at] === 0x5c) at++;
    } else if (byte === 0x7b || byte === 0x5b) {
      if (++depth === 2) start = at;
    } else if (byte === 0x7d || byte === 0x5d) {
      if (--depth === 1) texts.push(array.subarray(start, at + 1));
    }
  }
  return texts;
}

function checkAction(context: ServerContext, action: Action): void {
  const { method, type, id, body } = action;
  if (!["POST", "PUT", "DELETE", "GET"].includes(method))
    throw new FhirRefusal(400, "not-supported", `The method '${method}' is not supported in a Bundle.`);
  if (!/^[A-Z][A-Za-z]+$/.test(type)) throw new FhirRefusal(400, "value", "An entry names no resource type.");
  if (method !== "POST" && id === undefined) throw new FhirRefusal(400, "required", "An entry names no id.");
  if ((method === "POST" || method === "PUT") && body === undefined)
    throw new FhirRefusal(400, "required", "An entry to be written has no resource.");
  const current = id === undefined ? undefined : context.store.current(type, id);
  if (action.ifMatch !== undefined && `W/"${current?.version}"` !== action.ifMatch)
    throw new FhirRefusal(412, "conflict", "The version named in ifMatch is not the current one.");
}

function perform(context: ServerContext, action: Action): BundleEntry {
  checkAction(context, action);
  const { method, type, id = "", body, ifMatch } = action;
  if (method === "POST") return answered(context, "201 Created", context.store.create(type, body!));
  if (method === "PUT") {
    const existed = context.store.current(type, id)?.text !== undefined;
    const version = context.store.put(type, id, body!, { ifMatch });
    return answered(context, existed ? "200 OK" : "201 Created", version);
  }
  if (method === "DELETE") {
    context.store.delete(type, id, { ifMatch });
    return { response: { status: "204 No Content" } };
  }
  const current = context.store.current(type, id);
  if (current === undefined) throw new FhirRefusal(404, "not-found", `There is no such ${type}.`);
  if (current.text === undefined) throw new FhirRefusal(410, "deleted", `This ${type} was deleted.`);
  return { ...answered(context, "200 OK", current), resource: current.text.read() };
}

function answered(context: ServerContext, status: string, version: StoredVersion): BundleEntry {
  if (!context.profile.meta) return { response: { status } };
  return {
    response: {
      status,
      location: `${context.base}/${version.type}/${version.id}/_history/${version.version}`,
      etag: `W/"${version.version}"`,
      lastModified: instant(version.at),
    },
  };
}

function refused(error: FhirRefusal): BundleEntry {
  const outcome = operationOutcome([{ severity: "error", code: error.code, diagnostics: error.message }]);
  return { response: { status: String(error.status), outcome: JSON.parse(outcome) as string } };
}
