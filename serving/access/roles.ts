import { didYouMean, LakeError } from "#kernel";
import { isOpen, type ViewPolicy } from "#query";
import { type Permission, permissions } from "./permission.js";

/** What may be done under a name, and what of the lake exists then. */
export interface Role {
  readonly name: string;
  readonly permissions: ReadonlySet<Permission>;
  /** Undefined where everything is shown. */
  readonly policy: ViewPolicy | undefined;
}

/** A role as a configuration has it. */
export interface RoleDefinition {
  readonly permissions: readonly string[];
  readonly policy?: ViewPolicy;
}

const reading: readonly Permission[] = ["metadata.read", "views.read", "cohorts.read"];
const analysing: readonly Permission[] = [...reading, "sql.run", "cohorts.write", "pins.write"];

/** Roles that every server has, unless its configuration defines others of these names. All of them see everything. */
export const builtInRoles: Readonly<Record<string, RoleDefinition>> = {
  reader: { permissions: reading },
  analyst: { permissions: [...analysing, "operations.read"] },
  operator: { permissions: ["metadata.read", "operations.read", "operations.write", "pins.write"] },
  admin: { permissions: permissions.filter((name) => name !== "public") },
};

function permission(text: string, role: string): Permission {
  const found = permissions.find((name) => name === text && name !== "public");
  if (found !== undefined) return found;
  throw new LakeError(
    "invalid-input",
    "serving/unknown-permission",
    `Role '${role}' names permission '${text.slice(0, 64)}', which there is not.${didYouMean(text, permissions.slice(1))}`,
  );
}

/** The roles of a server, in their order. */
export class Roles {
  private readonly byName: ReadonlyMap<string, Role>;

  /** `key` is what pseudonyms and shifts are made with. Fails with `serving/unknown-permission`. */
  constructor(defined: Readonly<Record<string, RoleDefinition>> = {}, key = "") {
    const all = Object.entries({ ...defined, ...without(builtInRoles, defined) });
    this.byName = new Map(
      all.map(([name, definition]): [string, Role] => {
        const { policy } = definition;
        const set = new Set<Permission>([
          "public",
          ...definition.permissions.map((one) => permission(one, name)),
        ]);
        const isShown = policy === undefined || isOpen(policy);
        return [name, { name, permissions: set, policy: isShown ? undefined : { ...policy, key } }];
      }),
    );
  }

  names(): readonly string[] {
    return [...this.byName.keys()];
  }

  find(name: string): Role | undefined {
    return this.byName.get(name);
  }

  /** The role of that name. Fails with `serving/unknown-role`, naming the nearest. */
  get(name: string): Role {
    const found = this.byName.get(name);
    if (found !== undefined) return found;
    throw new LakeError(
      "invalid-input",
      "serving/unknown-role",
      `There is no role '${name.slice(0, 64)}'.${didYouMean(name, this.byName.keys())} There are ${this.names().join(", ")}.`,
    );
  }
}

function without<T>(all: Readonly<Record<string, T>>, names: object): Record<string, T> {
  return Object.fromEntries(Object.entries(all).filter(([name]) => !Object.hasOwn(names, name)));
}
