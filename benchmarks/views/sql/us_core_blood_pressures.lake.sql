SELECT '{{prefix}}' || 'Observation/' || id AS id,
       CASE WHEN subject.reference LIKE 'Patient/%' THEN '{{prefix}}' || subject.reference END AS patient_id,
       effectiveDateTime AS effective_date_time,
       s.valueQuantity.system AS sbp_quantity_system, s.valueQuantity.code AS sbp_quantity_code,
       s.valueQuantity.unit AS sbp_quantity_unit, s.valueQuantity.value AS sbp_quantity_value,
       d.valueQuantity.system AS dbp_quantity_system, d.valueQuantity.code AS dbp_quantity_code,
       d.valueQuantity.unit AS dbp_quantity_unit, d.valueQuantity.value AS dbp_quantity_value
FROM (
  SELECT id, subject, effectiveDateTime,
         list_filter(component, lambda x: len(list_filter(x.code.coding,
           lambda y: y.system = 'http://loinc.org' AND y.code = '8480-6')) > 0)[1] AS s,
         list_filter(component, lambda x: len(list_filter(x.code.coding,
           lambda y: y.system = 'http://loinc.org' AND y.code = '8462-4')) > 0)[1] AS d
  FROM {{source}}
  WHERE len(list_filter(code.coding, lambda x: x.system = 'http://loinc.org' AND x.code = '85354-9')) > 0
)
WHERE s IS NOT NULL AND d IS NOT NULL
