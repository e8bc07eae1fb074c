SELECT id, status, patient_id, service_org_id, period_start, period_end, "EpisodeOfCareId",
       t.system AS type_sys, t.code AS type_code,
       CASE WHEN p.individual.reference LIKE 'Practitioner/%' THEN '{{prefix}}' || p.individual.reference END AS practitioner_id,
       CASE WHEN l.location.reference LIKE 'Location/%' THEN '{{prefix}}' || l.location.reference END AS location_id
FROM (
  SELECT * EXCLUDE location, unnest(CASE WHEN len(location) > 0 THEN location ELSE [NULL] END) AS l FROM (
    SELECT * EXCLUDE participant, unnest(CASE WHEN len(participant) > 0 THEN participant ELSE [NULL] END) AS p FROM (
      SELECT * EXCLUDE types, unnest(CASE WHEN len(types) > 0 THEN types ELSE [NULL] END) AS t FROM (
        SELECT '{{prefix}}' || 'Encounter/' || id AS id, status,
               CASE WHEN subject.reference LIKE 'Patient/%' THEN '{{prefix}}' || subject.reference END AS patient_id,
               CASE WHEN serviceProvider.reference LIKE 'Organization/%' THEN '{{prefix}}' || serviceProvider.reference END AS service_org_id,
               period.start AS period_start, period."end" AS period_end,
               NULL::VARCHAR AS "EpisodeOfCareId",
               flatten(list_transform(type, lambda x: x.coding)) AS types, participant, location
        FROM {{source}}
      )
    )
  )
)
