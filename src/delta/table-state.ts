import type { Action, AddFile, MetaData, Protocol, RemoveFile, Transaction } from "./action.js";

/** What a Delta table is at one version: the outcome of all actions up to it. */
export interface TableState {
  readonly version: number;
  readonly protocol: Protocol | undefined;
  readonly metaData: MetaData | undefined;
  readonly transactions: ReadonlyMap<string, Transaction>;
  /** Data files of the table by path. */
  readonly files: ReadonlyMap<string, AddFile>;
  /** Data files that left the table and may still be read by readers of earlier versions. */
  readonly removed: ReadonlyMap<string, RemoveFile>;
  /** The checkpoint that reading began with; -1 when it began with version 0. */
  readonly checkpointVersion: number;
}

/** A table before its first version. */
export const NO_TABLE: TableState = {
  version: -1,
  protocol: undefined,
  metaData: undefined,
  transactions: new Map(),
  files: new Map(),
  removed: new Map(),
  checkpointVersion: -1,
};

/** The table after one more version (or after a checkpoint, whose actions are those of a single version). */
export function evolve(state: TableState, version: number, actions: readonly Action[]): TableState {
  const transactions = new Map(state.transactions);
  const files = new Map(state.files);
  const removed = new Map(state.removed);
  let { protocol, metaData } = state;
  for (const action of actions) {
    if (action.protocol) protocol = action.protocol;
    else if (action.metaData) metaData = action.metaData;
    else if (action.txn) transactions.set(action.txn.appId, action.txn);
    else if (action.add) {
      files.set(action.add.path, action.add);
      removed.delete(action.add.path);
    } else if (action.remove) {
      files.delete(action.remove.path);
      removed.set(action.remove.path, action.remove);
    }
  }
  return { ...state, version, protocol, metaData, transactions, files, removed };
}
