-- over Patient
SELECT _lake_key, 'main/Patient/' || _lake_id AS patient_key, _lake_id AS id, active,
       list_filter(identifier, lambda i: list_contains(list_transform(i.type.coding, lambda c: c.code), 'MR'))[1].value AS mrn,
       gender, list_filter(extension, lambda e: e.url = 'http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex')[1].valueCode AS birth_sex,
       birthDate AS birth_date,
       CASE length(birthDate) WHEN 10 THEN birthDate::DATE WHEN 7 THEN (birthDate || '-01')::DATE WHEN 4 THEN (birthDate || '-01-01')::DATE END AS birth_date_start,
       CASE length(birthDate) WHEN 10 THEN birthDate::DATE WHEN 7 THEN last_day((birthDate || '-01')::DATE) WHEN 4 THEN (birthDate || '-12-31')::DATE END AS birth_date_end,
       list_filter(_birthDate.extension, lambda e: e.url = 'http://hl7.org/fhir/StructureDefinition/data-absent-reason')[1].valueCode AS birth_date_absent_reason,
       CASE WHEN deceasedDateTime IS NOT NULL THEN true END AS deceased, deceasedDateTime AS deceased_date,
       deceasedDateTime[1:10]::DATE AS deceased_date_start, deceasedDateTime[1:10]::DATE AS deceased_date_end,
       array_to_string(list_transform(list_filter(race.extension, lambda e: e.url = 'ombCategory'), lambda e: e.valueCoding.display), '; ') AS race,
       array_to_string(list_transform(list_filter(race.extension, lambda e: e.url = 'ombCategory'), lambda e: e.valueCoding.code), '; ') AS race_code,
       array_to_string(list_transform(list_filter(ethnicity.extension, lambda e: e.url = 'ombCategory'), lambda e: e.valueCoding.display), '; ') AS ethnicity,
       array_to_string(list_transform(list_filter(ethnicity.extension, lambda e: e.url = 'ombCategory'), lambda e: e.valueCoding.code), '; ') AS ethnicity_code,
       maritalStatus.coding[1].code AS marital_status_code, coalesce(maritalStatus.coding[1].display, maritalStatus.text) AS marital_status,
       communication[1].language.coding[1].code AS language,
       'main/' || list_filter(link, lambda l: l.type = 'replaced-by')[1].other.reference AS replaced_by_key,
       home.postalCode AS postal_code, home.city AS city, home.state AS state, home.country AS country
FROM (SELECT *, list_filter(extension, lambda e: e.url = 'http://hl7.org/fhir/us/core/StructureDefinition/us-core-race')[1] AS race,
             list_filter(extension, lambda e: e.url = 'http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity')[1] AS ethnicity,
             address[1] AS home
      FROM $table WHERE NOT _lake_deleted)
