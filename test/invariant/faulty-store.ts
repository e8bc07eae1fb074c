import { LakeError } from "#kernel";
import type { ObjectStore } from "#storage";

/** How a write goes wrong. */
export type Fault =
  /** The process dies before the write. */
  | "crash-before"
  /** The process dies after the write. */
  | "crash-after"
  /** The write fails and changes nothing. */
  | "fail"
  /** The write takes effect, but nobody learns that it did. */
  | "unknown";

const WRITES: ReadonlySet<PropertyKey> = new Set([
  "putIfAbsent",
  "publish",
  "makeDurable",
  "delete",
  "deleteMany",
]);

/** A store whose n-th write from now on goes wrong. After a crash it does nothing any more, like the process that had it. */
export class FaultyStore {
  readonly store: ObjectStore;
  /** True when the fault has happened. */
  struck = false;
  /** True after a crash. */
  dead = false;
  private left = 0;
  private fault: Fault = "fail";

  constructor(inner: ObjectStore) {
    this.store = new Proxy(inner, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== "function") return value;
        const method = value.bind(target) as (...given: unknown[]) => unknown;
        if (name === "close") return method;
        if (!WRITES.has(name)) {
          return (...given: unknown[]) => {
            if (this.dead) throw gone();
            return method(...given);
          };
        }
        return (...given: unknown[]) => this.write(async () => method(...given));
      },
    });
  }

  /** The write after `after` others goes wrong; undefined: none does. */
  arm(after: number | undefined, fault: Fault): void {
    this.struck = false;
    this.left = after === undefined ? 0 : after + 1;
    this.fault = fault;
  }

  private async write(work: () => Promise<unknown>): Promise<unknown> {
    if (this.dead) throw gone();
    if (this.left === 0 || --this.left > 0) return work();
    this.struck = true;
    if (this.fault === "fail") throw new LakeError("unavailable", "storage/io", "The write failed.");
    this.dead = this.fault !== "unknown";
    if (this.fault !== "crash-before") await work();
    if (this.dead) throw gone();
    throw new LakeError("unavailable", "storage/outcome-unknown", "Nobody knows whether it was written.");
  }
}

function gone(): Error {
  return new Error("the process is dead");
}
