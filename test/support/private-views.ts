import type { FixtureView } from "./parquet-lake.js";

/** Texts that a policed answer must not hold: each stands in a column, row or view that the test's roles do not see. */
export const CANARIES = [
  "CanaryFamily",
  "canary-mrn-4711",
  "canary-org",
  "1931-07-04",
  "1985-02-14",
  "2024-05-05",
  "02139-canary",
  "canary-free-text",
  "CanaryRow",
  "canary_secret_column",
  "canary-other-view",
  "person-0001",
] as const;

const tag = (name: string, phi: string) => ({
  name,
  path: name,
  tag: [{ name: "fhir-lake/phi", value: phi }],
});

/** The definition that classes the columns of {@link demographics}. */
const definition = {
  resourceType: "ViewDefinition",
  resource: "Patient",
  select: [
    {
      column: [
        tag("patient_key", "direct-identifier"),
        tag("replaced_by_key", "direct-identifier"),
        tag("organization_key", "quasi-identifier"),
        tag("family", "direct-identifier"),
        tag("mrn", "direct-identifier"),
        tag("gender", "quasi-identifier"),
        tag("birth_date", "date"),
        tag("deceased_date", "date"),
        tag("postal_code", "quasi-identifier"),
        tag("note", "quasi-identifier"),
        tag("site", "none"),
        tag("canary_secret_column", "direct-identifier"),
      ],
    },
  ],
};

/** Five patients of two sites, whose identifying values are all canaries. */
export const demographics: FixtureView = {
  name: "patient_demographics",
  definition,
  columns: [
    { name: "patient_key", sqlType: "VARCHAR", fhirType: "string", path: "getResourceKey()" },
    { name: "replaced_by_key", sqlType: "VARCHAR", fhirType: "string" },
    { name: "organization_key", sqlType: "VARCHAR", fhirType: "string" },
    { name: "family", sqlType: "VARCHAR", fhirType: "string" },
    { name: "mrn", sqlType: "VARCHAR", fhirType: "string" },
    { name: "gender", sqlType: "VARCHAR", fhirType: "code" },
    { name: "birth_date", sqlType: "DATE", fhirType: "date", path: "birthDate" },
    { name: "deceased_date", sqlType: "DATE", fhirType: "date" },
    { name: "postal_code", sqlType: "VARCHAR", fhirType: "string" },
    { name: "note", sqlType: "VARCHAR", fhirType: "string" },
    { name: "site", sqlType: "VARCHAR", fhirType: "string" },
    { name: "canary_secret_column", sqlType: "VARCHAR", fhirType: "string" },
  ],
  select: `SELECT * FROM (VALUES
    ('00000000-0000-4000-8000-000000000001'::UUID, 'h/Patient/person-0001', NULL::VARCHAR, 'h/Organization/canary-org', 'CanaryFamily', 'canary-mrn-4711', 'female', DATE '1985-02-14', NULL::DATE, '02139-canary', 'canary-free-text', 'north', 'x'),
    ('00000000-0000-4000-8000-000000000002'::UUID, 'h/Patient/person-00012', NULL, 'h/Organization/canary-org', 'CanaryFamily', 'canary-mrn-4711', 'male', DATE '1931-07-04', DATE '2024-05-05', '03601', 'canary-free-text', 'north', 'x'),
    ('00000000-0000-4000-8000-000000000003'::UUID, 'h/Patient/person-00013', NULL, NULL, 'CanaryFamily', NULL, 'female', DATE '1985-02-14', NULL, NULL, 'canary-free-text', 'north', 'x'),
    ('00000000-0000-4000-8000-000000000004'::UUID, 'h/Patient/person-00014', NULL, NULL, 'CanaryRow', 'canary-mrn-4711', 'male', DATE '1985-02-14', NULL, NULL, 'canary-free-text', 'south', 'CanaryRow'),
    ('00000000-0000-4000-8000-000000000005'::UUID, 'h/Patient/person-00015', NULL, NULL, 'CanaryRow', 'canary-mrn-4711', 'other', DATE '1985-02-14', NULL, NULL, 'canary-free-text', 'south', 'CanaryRow')
  ) t(_lake_key, patient_key, replaced_by_key, organization_key, family, mrn, gender, birth_date, deceased_date, postal_code, note, site, canary_secret_column)`,
};

/** A view that the test's roles do not see at all. */
export const hiddenView: FixtureView = {
  name: "private_notes",
  columns: [
    { name: "patient_key", sqlType: "VARCHAR", fhirType: "string" },
    { name: "text", sqlType: "VARCHAR", fhirType: "string" },
  ],
  select: `SELECT '00000000-0000-4000-8000-00000000000a'::UUID AS _lake_key, 'h/Patient/person-0001' AS patient_key, 'canary-other-view' AS text`,
};
