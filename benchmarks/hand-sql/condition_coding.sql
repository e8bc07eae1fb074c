-- over Condition
SELECT _lake_key, 'main/Condition/' || _lake_id AS condition_key, _lake_id AS id,
       'main/Patient/' || nullif(regexp_extract(subject.reference, '(?:^|/)Patient/([^/]+)$', 1), '') AS patient_key,
       'main/Encounter/' || nullif(regexp_extract(encounter.reference, '(?:^|/)Encounter/([^/]+)$', 1), '') AS encounter_key,
       clinicalStatus.coding[1].code AS clinical_status, verificationStatus.coding[1].code AS verification_status,
       coding_index::INTEGER AS coding_index, c.system AS code_system, NULL::VARCHAR AS code_system_version, c.code AS code, c.display AS display,
       NULL::BOOLEAN AS user_selected
FROM (SELECT _lake_key, _lake_id, subject, encounter, clinicalStatus, verificationStatus,
             unnest(code.coding) AS c, generate_subscripts(code.coding, 1) - 1 AS coding_index
      FROM $table WHERE NOT _lake_deleted)
