SELECT id, patient_id, encounter_id, onset_datetime, c.system AS system, c.code AS code,
       g.code AS category, s.code AS clinical_status, v.code AS verification_status
FROM (
  SELECT * EXCLUDE verification, unnest(CASE WHEN len(verification) > 0 THEN verification ELSE [NULL] END) AS v FROM (
    SELECT * EXCLUDE clinical, unnest(CASE WHEN len(clinical) > 0 THEN clinical ELSE [NULL] END) AS s FROM (
      SELECT * EXCLUDE category, unnest(CASE WHEN len(category) > 0 THEN category ELSE [NULL] END) AS g FROM (
        SELECT '{{prefix}}' || 'Condition/' || id AS id,
               CASE WHEN subject.reference LIKE 'Patient/%' THEN '{{prefix}}' || subject.reference END AS patient_id,
               CASE WHEN encounter.reference LIKE 'Encounter/%' THEN '{{prefix}}' || encounter.reference END AS encounter_id,
               onsetDateTime AS onset_datetime,
               flatten(list_transform(category, lambda x: x.coding)) AS category,
               clinicalStatus.coding AS clinical,
               verificationStatus.coding AS verification,
               unnest(CASE WHEN len(code.coding) > 0 THEN code.coding ELSE [NULL] END) AS c
        FROM read_ndjson('{{source}}', columns = {
          id: 'VARCHAR', onsetDateTime: 'VARCHAR',
          subject: 'STRUCT(reference VARCHAR)', encounter: 'STRUCT(reference VARCHAR)',
          code: 'STRUCT(coding STRUCT(system VARCHAR, code VARCHAR)[])',
          category: 'STRUCT(coding STRUCT(code VARCHAR)[])[]',
          clinicalStatus: 'STRUCT(coding STRUCT(code VARCHAR)[])',
          verificationStatus: 'STRUCT(coding STRUCT(code VARCHAR)[])'})
      )
    )
  )
)
