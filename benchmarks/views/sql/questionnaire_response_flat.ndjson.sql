WITH RECURSIVE items AS (
  SELECT q.id AS id, q.questionnaire AS questionnaire, q.status AS status, q.subject.reference AS reference,
         q.authored AS authored, unnest(q.item) AS item
  FROM (
    SELECT json_transform(
      regexp_replace(json, '("valueDecimal"\s*:\s*)(-?[0-9][-+.eE0-9]*)', '\1"\2"', 'g'),
      '{"id": "VARCHAR", "questionnaire": "VARCHAR", "status": "VARCHAR", "authored": "VARCHAR",
        "subject": {"reference": "VARCHAR"},
        "item": [{"linkId": "VARCHAR", "item": "JSON", 
         "answer": [{"valueInteger": "INTEGER", "valueString": "VARCHAR", "valueBoolean": "BOOLEAN", 
          "valueDecimal": "VARCHAR", "valueDate": "VARCHAR", "valueTime": "VARCHAR"}]}]}') AS q
    FROM read_ndjson_objects('{{source}}')
  )
  UNION ALL
  SELECT id, questionnaire, status, reference, authored, unnest(json_transform(item.item,
    '[{"linkId": "VARCHAR", "item": "JSON", 
         "answer": [{"valueInteger": "INTEGER", "valueString": "VARCHAR", "valueBoolean": "BOOLEAN", 
          "valueDecimal": "VARCHAR", "valueDate": "VARCHAR", "valueTime": "VARCHAR"}]}]'))
  FROM items
)
SELECT '{{prefix}}' || 'QuestionnaireResponse/' || id AS id, questionnaire, status,
       CASE WHEN reference LIKE 'Patient/%' THEN '{{prefix}}' || reference END AS patient_id, authored,
       item.linkId AS item_link_id,
       item.answer[1].valueInteger AS answer_value_integer, item.answer[1].valueString AS answer_value_string,
       item.answer[1].valueBoolean AS answer_value_boolean, item.answer[1].valueDecimal AS answer_value_decimal,
       item.answer[1].valueDate AS answer_value_date, item.answer[1].valueTime AS answer_value_time
FROM items
