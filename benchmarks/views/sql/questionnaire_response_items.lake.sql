WITH RECURSIVE items AS (
  SELECT id, unnest(list_transform(item, lambda x: {
           linkId: x.linkId, text: x.text, item: x.item,
           answer: list_transform(x.answer, lambda y: {
             valueInteger: y.valueInteger, valueString: y.valueString, valueBoolean: y.valueBoolean,
             valueDecimal: y.valueDecimal, valueDate: y.valueDate, item: y.item})})) AS item
  FROM {{source}}
  UNION ALL
  SELECT id, unnest(list_concat(
    json_transform(item.item, '[{"linkId": "VARCHAR", "text": "VARCHAR", "item": "JSON",
         "answer": [{"valueInteger": "INTEGER", "valueString": "VARCHAR", "valueBoolean": "BOOLEAN",
          "valueDecimal": "VARCHAR", "valueDate": "VARCHAR", "item": "JSON"}]}]'),
    flatten(list_transform(item.answer, lambda x: json_transform(x.item, '[{"linkId": "VARCHAR", "text": "VARCHAR", "item": "JSON",
         "answer": [{"valueInteger": "INTEGER", "valueString": "VARCHAR", "valueBoolean": "BOOLEAN",
          "valueDecimal": "VARCHAR", "valueDate": "VARCHAR", "item": "JSON"}]}]')))))
  FROM items
)
SELECT '{{prefix}}' || 'QuestionnaireResponse/' || id AS id, link_id, question,
       answer.valueInteger AS answer_integer, answer.valueString AS answer_string,
       answer.valueBoolean AS answer_boolean, answer.valueDecimal AS answer_decimal, answer.valueDate AS answer_date
FROM (
  SELECT id, item.linkId AS link_id, item.text AS question,
         unnest(CASE WHEN len(item.answer) > 0 THEN item.answer ELSE [NULL] END) AS answer
  FROM items
)
