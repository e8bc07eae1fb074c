import { AsyncLocalStorage } from "node:async_hooks";
import { LakeError } from "#kernel";
import type { ViewPolicy } from "#query";
import type { Caller } from "./caller.js";

/** The server's own questions to the lake, whose answers hold no rows. */
const server: Caller = {
  id: "server",
  kind: "local",
  role: "server",
  permissions: new Set(),
  policy: undefined,
};

/**
 * Knows for whom the program works just now, however deep in the call. What reads the lake asks here for the policy, so that nobody has to
 * hand it on and nobody can forget to.
 */
export class CallerScope {
  private readonly storage = new AsyncLocalStorage<Caller>();

  /** Runs `work`, and everything that it begins, for a caller. */
  run<T>(caller: Caller, work: () => T): T {
    return this.storage.run(caller, work);
  }

  /** Runs `work` for the server itself: for answers that hold nothing of what the lake holds. */
  asServer<T>(work: () => T): T {
    return this.storage.run(server, work);
  }

  /** Who asks; undefined when nobody is known to. */
  current(): Caller | undefined {
    return this.storage.getStore();
  }

  /** The policy of who asks. Fails with `serving/nobody-asks` when that is not known, instead of showing everything. */
  policy(): ViewPolicy | undefined {
    const caller = this.storage.getStore();
    if (caller !== undefined) return caller.policy;
    throw new LakeError(
      "internal",
      "serving/nobody-asks",
      "The lake was asked for rows without a known caller; this is a defect of the server.",
    );
  }
}
