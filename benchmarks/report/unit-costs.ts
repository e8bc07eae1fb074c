import { distinctOf, figureAt, type Result } from "./results.js";

/** What one resource costs, in seconds and bytes, as a lake of one size showed it. */
export interface UnitCosts {
  /** Resources at that size, and those that its increment changed. */
  readonly resources: number;
  readonly changed: number;
  /** Whether the size was lived through only once. */
  readonly isOnce: boolean;
  readonly ingest: number;
  readonly views: number;
  /** Of a changed resource, its views with it. */
  readonly increment: number;
  readonly compaction: number;
  readonly bytes: number;
  /** An exact count that reads the column of a code, merged with live changes. */
  readonly count: number;
  /** Milliseconds of a whole page, merged with live changes. */
  readonly page: number;
}

function unitCostsAt(result: Result, size: string): UnitCosts {
  const of = (what: string): number => figureAt(result, size, "lake", what)?.value ?? Number.NaN;
  const [resources, changed] = [of("resources"), of("changed resources of the increment")];
  return {
    resources,
    changed,
    isOnce: figureAt(result, size, "lake", "ingest")?.repeats === 1,
    ingest: of("ingest") / resources,
    views: of("views") / resources,
    increment: of("increment") / changed,
    compaction: of("compaction") / resources,
    bytes: of("bytes of resources in the lake") / resources,
    count: of("merged count") / 1000 / resources,
    page: of("merged page"),
  };
}

/** Sizes that were measured, the smallest first. */
export function sizesOf(result: Result): string[] {
  const resources = (size: string): number => figureAt(result, size, "lake", "resources")?.value ?? 0;
  return distinctOf(result.figures, "subject").sort((a, b) => resources(a) - resources(b));
}

/** Unit costs of every size, the smallest first. */
export function unitCosts(result: Result): UnitCosts[] {
  return sizesOf(result).map((size) => unitCostsAt(result, size));
}

/** What loading one resource from a FHIR server took, its views with it. */
export interface LoadCosts {
  readonly resources: number;
  /** Seconds on the clock. */
  readonly wall: number;
  /** Seconds of the FHIR server's processor time; undefined where they were not measured. */
  readonly serverCpu: number | undefined;
}

/** The cost of loading from a FHIR server; undefined without results of `direct-fhir`. */
export function loadCosts(direct: Result | undefined): LoadCosts | undefined {
  const of = (wanted: string): number | undefined =>
    direct?.figures.find(({ name }) => name === wanted)?.value;
  const [resources, wall] = [of("resources"), of("ingest from the FHIR server, wall")];
  if (resources === undefined || wall === undefined) return undefined;
  const cpu = of("ingest, FHIR server's CPU");
  return { resources, wall: wall / resources, serverCpu: cpu === undefined ? undefined : cpu / resources };
}
