-- over Observation
SELECT _lake_key, 'main/Observation/' || _lake_id AS observation_key, _lake_id AS id,
       'main/Patient/' || nullif(regexp_extract(subject.reference, '(?:^|/)Patient/([^/]+)$', 1), '') AS patient_key,
       'main/Encounter/' || nullif(regexp_extract(encounter.reference, '(?:^|/)Encounter/([^/]+)$', 1), '') AS encounter_key,
       status, coalesce(list_filter(categories, lambda c: c.system = 'http://terminology.hl7.org/CodeSystem/observation-category')[1], categories[1]).code AS category,
       code.coding[1].code AS panel_code, effectiveDateTime AS effective,
       effectiveDateTime::TIMESTAMPTZ AS effective_start, effectiveDateTime[1:10]::DATE AS effective_date,
       sys.valueQuantity.value::DOUBLE AS systolic_number, sys.valueQuantity.value AS systolic_text, sys.valueQuantity.code AS systolic_unit_code,
       sys.dataAbsentReason.coding[1].code AS systolic_absent_reason,
       dia.valueQuantity.value::DOUBLE AS diastolic_number, dia.valueQuantity.value AS diastolic_text, dia.valueQuantity.code AS diastolic_unit_code,
       dia.dataAbsentReason.coding[1].code AS diastolic_absent_reason
FROM (SELECT *, flatten(list_transform(category, lambda c: c.coding)) AS categories,
             list_filter(component, lambda c: len(list_filter(c.code.coding, lambda k: k.system = 'http://loinc.org' AND k.code = '8480-6')) > 0)[1] AS sys,
             list_filter(component, lambda c: len(list_filter(c.code.coding, lambda k: k.system = 'http://loinc.org' AND k.code = '8462-4')) > 0)[1] AS dia
      FROM $table WHERE NOT _lake_deleted AND component IS NOT NULL AND status NOT IN ('entered-in-error', 'cancelled'))
WHERE sys IS NOT NULL OR dia IS NOT NULL
