import type { Definitions } from "#fhir";
import type { ResourceRelation } from "./relation.js";
import { landingRelation, rowsFromLanding, tableShape } from "./table-layout.js";

/** Landing files of one resource type that are to be read without committing them. */
export interface LandedResources {
  readonly definitions: Definitions;
  readonly type: string;
  readonly source: string;
  readonly observed: readonly string[];
  readonly files: readonly { readonly path: string; readonly maxRecordBytes: number }[];
}

/** The newest version of every landed resource, deleted ones left out, in the columns that a table would have. */
export function landedResources(request: LandedResources): ResourceRelation {
  const landing = landingRelation(request.files);
  const newest = `(SELECT * FROM ${landing} SEMI JOIN (SELECT "key", max("order") AS "order" FROM ${landing} GROUP BY "key") USING ("key", "order"))`;
  const rows = rowsFromLanding({ ...request, acceptedAtMs: 0, landing: newest });
  const shape = tableShape(request.definitions, request.type, request.observed);
  return {
    relation: `(SELECT *, _lake_id AS id FROM (${rows}) WHERE NOT _lake_deleted)`,
    shape: { kind: "struct", fields: new Map([["id", { kind: "scalar", type: "text" }], ...shape.fields]) },
  };
}
