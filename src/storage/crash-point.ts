import type { ObjectStore } from "./object-store.js";

const [wanted = "", times = "1"] = (process.env["FHIR_LAKE_CRASH_AT"] ?? "").split("#");
let passed = 0;

/**
 * Names a point between two steps that must not depend on each other's survival. Fault tests end the process there, by
 * `FHIR_LAKE_CRASH_AT=label#k` in the environment (the k-th time that point is passed), or have the points told on stderr
 * (`FHIR_LAKE_CRASH_AT=trace`); otherwise it does nothing.
 */
export function crashPoint(label: string): void {
  if (wanted === "trace") process.stderr.write(`crash-point ${label}\n`);
  else if (label === wanted && ++passed === Number(times)) process.kill(process.pid, "SIGKILL");
}

const WRITES: ReadonlySet<PropertyKey> = new Set([
  "putIfAbsent",
  "publish",
  "makeDurable",
  "delete",
  "deleteMany",
]);

/** The top folder of the key that a write is about. */
function folderOf(method: string, given: readonly unknown[]): string {
  const [first, second] = given;
  const key: unknown = method === "publish" ? second : Array.isArray(first) ? (first as unknown[])[0] : first;
  return typeof key === "string" ? key.split("/")[0]! : "";
}

/** The store itself, or, when a test asks for crash points, one with a point before and after each write. */
export function withCrashPoints(store: ObjectStore): ObjectStore {
  if (wanted === "") return store;
  return new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      const method = value.bind(target) as (...given: unknown[]) => unknown;
      if (!WRITES.has(name)) return method;
      return async (...given: unknown[]) => {
        const label = `store.${String(name)}.${folderOf(String(name), given)}`;
        crashPoint(`${label}.before`);
        const result = await method(...given);
        crashPoint(`${label}.after`);
        return result;
      };
    },
  });
}
