/** A parsed resource that remembers its text. */
export type Resource = Readonly<Record<string, unknown>> & { readonly id: string; readonly raw: string };

/** One version of a resource as a source would send it. Two different versions never have the same clock. */
export interface Version {
  readonly type: "Patient" | "Observation";
  readonly id: string;
  readonly kind: "U" | "D";
  /** Minutes since the start of the test's calendar; what decides which version counts. */
  readonly clock: number;
  readonly text: string;
}

/** The instant of a clock tick, as servers write it. */
export function instantOf(clock: number): string {
  return new Date(Date.UTC(2026, 0, 1) + clock * 60_000).toISOString();
}

/** Everything accepted, and the naive answer: per resource the version with the greatest clock. */
export class Model {
  private readonly accepted: Version[] = [];

  accept(versions: readonly Version[]): void {
    this.accepted.push(...versions);
  }

  /** Live resources of a type. */
  live(type: Version["type"]): Resource[] {
    const newest = new Map<string, Version>();
    for (const version of this.accepted) {
      if (version.type !== type) continue;
      const known = newest.get(version.id);
      if (known === undefined || version.clock > known.clock) newest.set(version.id, version);
    }
    return [...newest.values()]
      .filter((version) => version.kind === "U")
      .map((version) => ({ ...(JSON.parse(version.text) as { id: string }), raw: version.text }));
  }

  copy(): Model {
    const copy = new Model();
    copy.accept(this.accepted);
    return copy;
  }
}
