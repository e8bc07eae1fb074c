import type { ViewPolicy } from "#query";
import type { Caller } from "./caller.js";
import { type Permission, permissions } from "./permission.js";
import type { Role } from "./roles.js";

/** What scopes leave of a role. */
export interface ScopeGrant {
  readonly permissions: ReadonlySet<Permission>;
  /** Resource types whose views exist; undefined for all. */
  readonly resources: ReadonlySet<string> | undefined;
}

/** SMART scopes on resources, versions 1 and 2: `system/Patient.rs`, `user/*.read`. One with a search behind it cannot be kept here. */
const resourceScope = /^(?:system|user)\/(\*|[A-Z][A-Za-z]{1,63})\.([A-Za-z*]{1,8})$/;

/** True when rows may be read: reading and searching both. */
function reads(access: string): boolean {
  if (access === "read" || access === "*") return true;
  return /^c?r?u?d?s?$/.test(access) && access.includes("r") && access.includes("s");
}

/**
 * What the scopes of a token grant: `system/<Type>.rs` and `user/<Type>.rs` the views of a resource type (`*` of all), `lake/<permission>` a
 * permission, `lake/*` every one. Undefined when none of them is meant for this server. Scopes that cannot be kept, such as
 * `patient/…` and those with a search, grant nothing.
 */
export function scopeGrant(text: string): ScopeGrant | undefined {
  const granted = new Set<Permission>(["public"]);
  const resources = new Set<string>();
  let isAll = false;
  let isMeant = false;
  for (const scope of text.split(" ")) {
    if (/^(?:system|user|patient|lake)\//.test(scope)) isMeant = true;
    const own = scope.startsWith("lake/") ? scope.slice(5) : undefined;
    if (own === "*") for (const one of permissions) granted.add(one);
    const named = permissions.find((one) => one === own && one !== "public");
    if (named !== undefined) granted.add(named);
    if (own === "*" || own === "views.read") isAll = true;
    const match = resourceScope.exec(scope);
    if (match === null || !reads(match[2]!)) continue;
    granted.add("metadata.read").add("views.read");
    if (match[1] === "*") isAll = true;
    else resources.add(match[1]!);
  }
  if (!isMeant) return undefined;
  return { permissions: granted, resources: isAll ? undefined : resources };
}

function narrowed(
  policy: ViewPolicy | undefined,
  resources: ReadonlySet<string> | undefined,
): ViewPolicy | undefined {
  if (resources === undefined) return policy;
  const own = policy?.resources;
  const both = own === undefined ? [...resources] : own.filter((one) => resources.has(one));
  return { ...policy, resources: both.sort() };
}

/** A role as the scopes of a token narrow it; unchanged without any. */
export function withScopes(role: Role, scopes: string | undefined): Pick<Caller, "permissions" | "policy"> {
  const grant = scopes === undefined ? undefined : scopeGrant(scopes);
  if (grant === undefined) return role;
  return {
    permissions: new Set([...role.permissions].filter((one) => grant.permissions.has(one))),
    policy: narrowed(role.policy, grant.resources),
  };
}
