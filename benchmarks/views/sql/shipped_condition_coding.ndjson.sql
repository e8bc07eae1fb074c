SELECT '{{prefix}}' || 'Condition/' || id AS condition_key, id, patient_key, encounter_key, clinical_status, verification_status,
       coding_index, c.system AS code_system, c.version AS code_system_version, c.code AS code, c.display AS display,
       c.userSelected AS user_selected
FROM (
  SELECT id,
         CASE WHEN subject.reference LIKE 'Patient/%' THEN '{{prefix}}' || subject.reference END AS patient_key,
         CASE WHEN encounter.reference LIKE 'Encounter/%' THEN '{{prefix}}' || encounter.reference END AS encounter_key,
         clinicalStatus.coding[1].code AS clinical_status, verificationStatus.coding[1].code AS verification_status,
         unnest(code.coding) AS c, generate_subscripts(code.coding, 1) - 1 AS coding_index
  FROM read_ndjson('{{source}}', columns = {
    id: 'VARCHAR', subject: 'STRUCT(reference VARCHAR)', encounter: 'STRUCT(reference VARCHAR)',
    clinicalStatus: 'STRUCT(coding STRUCT(code VARCHAR)[])',
    verificationStatus: 'STRUCT(coding STRUCT(code VARCHAR)[])',
    code: 'STRUCT(coding STRUCT(system VARCHAR, version VARCHAR, code VARCHAR, display VARCHAR, userSelected BOOLEAN)[])'})
)
