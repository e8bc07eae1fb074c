SELECT patient_id, array_to_string(a.line, chr(10)) AS street, a.use AS use, a.city AS city, a.postalCode AS zip
FROM (SELECT '{{prefix}}' || 'Patient/' || id AS patient_id, unnest(address) AS a FROM {{source}})
