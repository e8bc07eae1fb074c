import { LakeError } from "#kernel";
import type { SnapshotReader } from "../catalog.js";
import { requireReady } from "../errors.js";
import type { Bindings } from "./bindings.js";
import { DEMOGRAPHIC_DIMENSIONS } from "./dimension.js";
import { daySql } from "./row-sql.js";
import { ViewShape } from "./view-shape.js";

const VIEW = "patient_demographics";
const NEEDED = ["patient_key", "replaced_by_key", "gender", "birth_date", "deceased_date"];

function demographics(snapshot: SnapshotReader): ViewShape {
  const view = snapshot.views.get(VIEW);
  const shape = view === undefined ? undefined : new ViewShape(view);
  const missing = NEEDED.filter((name) => shape?.has(name) !== true);
  if (shape === undefined || missing.length > 0) {
    throw new LakeError(
      "conflict",
      "cohort/no-demographics",
      `Cohorts count persons by view '${VIEW}', which ${shape === undefined ? "the lake does not have" : `lacks ${missing.join(", ")}`}; build the shipped one (fhir-lake views build).`,
    );
  }
  requireReady(shape.view);
  return shape;
}

/**
 * Common table expressions that end in `patients(p, person, …)`: every patient record and the person it belongs to. A record replaced by
 * another belongs to whom that one belongs to, as far as the links lead within the lake; records that replace each other in a circle are
 * one person, named by the least of their keys. Begins a WITH RECURSIVE.
 */
export async function patientsSql(
  bindings: Bindings,
  snapshot: SnapshotReader,
  sources: readonly string[] | undefined,
): Promise<string> {
  const shape = demographics(snapshot);
  const birth = daySql(shape.dates(["birth_date"], ""));
  const death = daySql(shape.dates(["deceased_date"], ""));
  const of =
    sources === undefined ? "" : `WHERE split_part(b.patient_key, '/', 1) IN ${bindings.texts(sources)}`;
  const dimensions = DEMOGRAPHIC_DIMENSIONS.map((name) =>
    shape.has(name) ? `b.${name}` : `NULL::VARCHAR AS ${name}`,
  );
  const items = [
    "b.patient_key AS p",
    "b._lake_key AS k",
    "b.replaced_by_key AS r",
    `${birth.low} AS birth_low`,
    `${birth.high} AS birth_high`,
    `${death.low} AS death_low`,
    ...dimensions,
  ];
  return `demographics AS MATERIALIZED (SELECT ${items.join(", ")} FROM ${await shape.view.relation()} AS b ${of}),
links AS (SELECT p, r AS q FROM demographics WHERE r IS NOT NULL AND r <> p AND r IN (SELECT p FROM demographics)),
walk AS (SELECT p, q FROM links UNION SELECT walk.p, links.q FROM walk JOIN links ON links.p = walk.q),
heads AS (SELECT walk.p, coalesce(min(walk.q) FILTER (links.p IS NULL), min(walk.q)) AS person FROM walk LEFT JOIN links ON links.p = walk.q GROUP BY walk.p),
patients AS MATERIALIZED (SELECT demographics.* , coalesce(heads.person, demographics.p) AS person FROM demographics LEFT JOIN heads USING (p))`;
}
