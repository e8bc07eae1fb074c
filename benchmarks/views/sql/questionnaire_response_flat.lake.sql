WITH RECURSIVE items AS (
  SELECT id, questionnaire, status, subject.reference AS reference, authored,
         unnest(list_transform(item, lambda x: {
           linkId: x.linkId, item: x.item,
           answer: list_transform(x.answer, lambda y: {
             valueInteger: y.valueInteger, valueString: y.valueString, valueBoolean: y.valueBoolean,
             valueDecimal: y.valueDecimal, valueDate: y.valueDate, valueTime: y.valueTime})})) AS item
  FROM {{source}}
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
