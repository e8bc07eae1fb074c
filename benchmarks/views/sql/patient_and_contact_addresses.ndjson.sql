WITH patients AS (
  SELECT '{{prefix}}' || 'Patient/' || id AS resource_id, address, contact
  FROM read_ndjson('{{source}}', columns = {
    id: 'VARCHAR',
    address: 'STRUCT(line VARCHAR[], city VARCHAR, postalCode VARCHAR)[]',
    contact: 'STRUCT(address STRUCT(line VARCHAR[], city VARCHAR, postalCode VARCHAR))[]'})
), addresses AS (
  SELECT resource_id, unnest(list_concat(
    list_transform(address, lambda x: {a: x, is_patient: true}),
    list_transform(list_filter(contact, lambda x: x.address IS NOT NULL), lambda x: {a: x.address, is_patient: false}))) AS one
  FROM patients
)
SELECT resource_id, array_to_string(one.a.line, chr(10)) AS street, one.a.city AS city, one.a.postalCode AS zip, one.is_patient AS is_patient
FROM addresses
