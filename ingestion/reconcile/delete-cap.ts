import { LakeError } from "#kernel";

/** How much of a source may vanish at once before somebody is asked. */
export interface DeleteCap {
  /** Greatest share of a type's live resources, 0 to 1. Default 0.2. */
  readonly share?: number | undefined;
  /** Greatest number of one type, whatever the share. Default 100,000. */
  readonly count?: number | undefined;
  /** So few may always vanish. Default 5. */
  readonly always?: number | undefined;
}

/** What vanished of one type. */
export interface TypeVanished {
  readonly type: string;
  /** Live resources in the lake before. */
  readonly live: number;
  readonly vanished: number;
}

const DEFAULTS = { share: 0.2, count: 100_000, always: 5 };

/** The types of which more vanished than the cap allows. */
export function overCap(types: readonly TypeVanished[], cap: DeleteCap = {}): TypeVanished[] {
  const share = cap.share ?? DEFAULTS.share;
  const count = cap.count ?? DEFAULTS.count;
  const always = cap.always ?? DEFAULTS.always;
  return types.filter(
    ({ live, vanished }) => vanished > always && (vanished > count || vanished > share * live),
  );
}

/** Throws `source/too-many-deletes` when more vanished than the cap allows; nothing was deleted then. */
export function checkDeleteCap(types: readonly TypeVanished[], cap: DeleteCap = {}): void {
  const over = overCap(types, cap);
  if (over.length === 0) return;
  const list = over.map(({ type, live, vanished }) => `${vanished} of ${live} ${type}`).join(", ");
  throw new LakeError(
    "conflict",
    "source/too-many-deletes",
    `${list} are missing at the source, more than may be deleted unasked; nothing was deleted. Look at the source and at the rights of this client; if they are really gone, run again with --accept-deletes.`,
    { details: { types: over } },
  );
}
