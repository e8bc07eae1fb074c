import { createHash, randomUUID } from "node:crypto";
import type { Clock } from "#kernel";
import { policyDigest } from "#query";
import type { ServingContext } from "../context.js";
import type { Route } from "../http/routes.js";
import type { Logger } from "../log.js";
import { auditPurpose, auditQuestion, auditTarget } from "./audit-question.js";
import type { AuditEntry, AuditTrail } from "./audit-trail.js";
import { type Caller, nobody } from "./caller.js";
import type { CallerScope } from "./caller-scope.js";
import type { Credentials } from "./credentials.js";
import type { CallerLimits } from "./limits.js";
import type { Permission } from "./permission.js";
import { forbidden } from "./refusals.js";
import type { SignedLinks } from "./signed-links.js";

/** What access to a server is decided by. */
export interface AccessOptions {
  readonly scope: CallerScope;
  readonly credentials: Credentials;
  readonly limits: CallerLimits;
  readonly links: SignedLinks;
  /** Absent where nothing is recorded. */
  readonly audit: AuditTrail | undefined;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The ways to show a credential, as OpenAPI describes them. */
export const securitySchemes = {
  bearer: {
    type: "http",
    scheme: "bearer",
    description: "An API key of this server, or a token of the identity provider that it trusts.",
  },
  apiKey: { type: "apiKey", in: "header", name: "X-API-Key", description: "An API key of this server." },
  basic: {
    type: "http",
    scheme: "basic",
    description: "An API key as the password, with any name; for programs that know nothing else.",
  },
} as const;

/** Permissions whose answers hold rows or counts. */
const disclosing: ReadonlySet<Permission> = new Set(["views.read", "cohorts.read", "sql.run"]);
/** Permissions to change something. */
const changing: ReadonlySet<Permission> = new Set(["cohorts.write", "pins.write", "operations.write"]);

function headerNumber(response: Response, name: string): number | undefined {
  const text = response.headers.get(name);
  return text === null ? undefined : Number(text);
}

/**
 * The one place through which every request passes: who asks, whether they may, how much they have had, and what is written down before a byte
 * leaves.
 */
export class Access {
  readonly scope: CallerScope;
  readonly links: SignedLinks;
  private readonly options: AccessOptions;
  /** Requests that came by a link, with the caller who made it. */
  private readonly linked = new WeakMap<Request, Caller>();
  private readonly answers = new WeakMap<ServingContext, string>();

  constructor(options: AccessOptions) {
    this.options = options;
    this.scope = options.scope;
    this.links = options.links;
  }

  /** True where callers without a credential have a role. */
  get isOpen(): boolean {
    return this.options.credentials.local() !== undefined;
  }

  /** See `ServingDependencies.owner`. */
  owner(): string {
    const caller = this.scope.current();
    const whose = [caller?.id ?? "", policyDigest(caller?.policy) ?? ""];
    return createHash("sha256").update(JSON.stringify(whose)).digest("base64url").slice(0, 27);
  }

  /** A request of this server to itself that is answered as if a caller had made it. */
  asCaller(request: Request, caller: Caller): Request {
    this.linked.set(request, caller);
    return request;
  }

  /**
   * Answers a request to a route for its caller. Fails with `serving/unauthenticated`, `serving/forbidden`, `serving/too-many-requests`,
   * `serving/audit-unavailable`, and as the route does.
   */
  async guard(context: ServingContext, route: Route, answer: () => Promise<Response>): Promise<Response> {
    if (route.permission === "public") return await this.scope.run(nobody, answer);
    const { credentials, limits } = this.options;
    const caller = this.linked.get(context.req.raw) ?? (await credentials.identify(context));
    const admission = await limits.admit(caller, route.permission);
    const began = performance.now();
    let response: Response;
    try {
      if (!caller.permissions.has(route.permission)) {
        await this.record(context, route, caller, { kind: "refused", status: 403 });
        throw forbidden(`Your role '${caller.role}' lacks the permission ${route.permission}.`, {
          permission: route.permission,
        });
      }
      if (changing.has(route.permission)) await this.record(context, route, caller, { kind: "changing" });
      response = await this.scope.run(caller, answer);
      await this.recordDisclosure(context, route, caller, response);
    } catch (error) {
      admission(performance.now() - began);
      throw error;
    }
    this.whenSent(context, () => {
      admission(performance.now() - began);
      this.recordEnd(context, route, response);
    });
    return response;
  }

  /** Written before the caller is answered, so that nothing leaves that is not recorded. */
  private async recordDisclosure(
    context: ServingContext,
    route: Route,
    caller: Caller,
    response: Response,
  ): Promise<void> {
    const isBare = context.req.raw.method === "HEAD" || response.status < 200 || response.status > 299;
    if (!disclosing.has(route.permission) || isBare) return;
    const [snapshot, epoch] = [
      headerNumber(response, "X-Lake-Snapshot"),
      headerNumber(response, "X-Lake-Epoch"),
    ];
    const rowCount = context.get("notes").rowCount ?? headerNumber(response, "X-Row-Count");
    try {
      await this.record(context, route, caller, {
        kind: "disclosed",
        status: response.status,
        rows: rowCount ?? null,
        ...(snapshot === undefined ? {} : { snapshot }),
        ...(epoch === undefined ? {} : { epoch }),
      });
    } catch (error) {
      // Ends the query and gives its state back.
      await response.body?.cancel().catch(() => undefined);
      throw error;
    }
  }

  /** The id of the answer that is being made, in every record of it. */
  private answerId(context: ServingContext): string {
    const known = this.answers.get(context) ?? randomUUID();
    this.answers.set(context, known);
    return known;
  }

  private async record(
    context: ServingContext,
    route: Route,
    caller: Caller,
    about: Pick<AuditEntry, "kind" | "status" | "rows" | "snapshot" | "epoch">,
  ): Promise<void> {
    const { audit, clock } = this.options;
    if (audit === undefined) return;
    const digest = (value: string): string => audit.digest(value);
    const purpose = auditPurpose(context);
    const policy = policyDigest(caller.policy);
    const { id, kind, role } = caller;
    await audit.append({
      ...about,
      at: clock.now().toISOString(),
      request: context.get("notes").requestId,
      answer: this.answerId(context),
      caller: { id, kind, role },
      ...(purpose === undefined ? {} : { purpose }),
      method: context.req.raw.method,
      route: route.path,
      target: auditTarget(context, digest),
      question: auditQuestion(context, digest),
      ...(policy === undefined ? {} : { policy }),
    });
  }

  /** How it came out. The answer is gone by now, so that a failure to write can only be told. */
  private recordEnd(context: ServingContext, route: Route, response: Response): void {
    const { audit, clock, log } = this.options;
    const wanted = disclosing.has(route.permission) ? response.status < 300 : changing.has(route.permission);
    if (audit === undefined || !wanted || context.req.raw.method === "HEAD") return;
    const { requestId } = context.get("notes");
    const rowCount = context.get("notes").rowCount ?? headerNumber(response, "X-Row-Count");
    const outgoing = context.env?.outgoing;
    const entry: AuditEntry = {
      kind: "ended",
      at: clock.now().toISOString(),
      request: requestId,
      answer: this.answerId(context),
      status: response.status,
      rows: rowCount ?? null,
      complete: outgoing === undefined || outgoing.writableFinished,
    };
    audit.append(entry).catch(() => log.error("audit of an end", { requestId }));
  }

  /** Calls back once when the answer has gone out or cannot any more; at once where there is no connection. */
  private whenSent(context: ServingContext, done: () => void): void {
    const outgoing = context.env?.outgoing;
    if (outgoing === undefined || outgoing.destroyed) done();
    else outgoing.once("close", done);
  }
}
