SELECT '{{prefix}}' || 'Patient/' || id AS id, gender, array_to_string(n.given, ' ') AS given_name, n.family AS family_name
FROM (
  SELECT id, gender, list_filter(name, lambda x: x.use = 'official')[1] AS n
  FROM read_ndjson('{{source}}', columns = {
    id: 'VARCHAR', gender: 'VARCHAR',
    name: 'STRUCT(use VARCHAR, family VARCHAR, given VARCHAR[])[]'})
)
WHERE n IS NOT NULL
