WITH patients AS (
  SELECT *,
         list_filter(extension, lambda x: x.url = 'http://hl7.org/fhir/us/core/StructureDefinition/us-core-race')[1].extension AS races,
         list_filter(extension, lambda x: x.url = 'http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity')[1].extension AS ethnicities,
         coalesce(
           list_filter(address, lambda x: x.use = 'home')[1],
           list_filter(address, lambda x: x.use IS DISTINCT FROM 'old')[1]) AS home
  FROM read_ndjson('{{source}}', columns = {
    id: 'VARCHAR', active: 'BOOLEAN', gender: 'VARCHAR', birthDate: 'VARCHAR',
    deceasedBoolean: 'BOOLEAN', deceasedDateTime: 'VARCHAR',
    _birthDate: 'STRUCT(extension STRUCT(url VARCHAR, valueCode VARCHAR)[])',
    identifier: 'STRUCT(use VARCHAR, value VARCHAR, type STRUCT(coding STRUCT(code VARCHAR)[]))[]',
    extension: 'STRUCT(url VARCHAR, valueCode VARCHAR, extension STRUCT(url VARCHAR, valueString VARCHAR, valueCoding STRUCT(code VARCHAR, display VARCHAR))[])[]',
    maritalStatus: 'STRUCT(text VARCHAR, coding STRUCT(code VARCHAR, display VARCHAR)[])',
    communication: 'STRUCT(preferred BOOLEAN, language STRUCT(coding STRUCT(code VARCHAR)[]))[]',
    managingOrganization: 'STRUCT(reference VARCHAR)',
    link: 'STRUCT(type VARCHAR, other STRUCT(reference VARCHAR))[]',
    address: 'STRUCT(use VARCHAR, postalCode VARCHAR, city VARCHAR, state VARCHAR, country VARCHAR)[]'})
), categories AS (
  SELECT *,
         list_filter(list_transform(list_filter(races, lambda x: x.url = 'ombCategory'), lambda x: x.valueCoding), lambda x: x IS NOT NULL) AS race_codings,
         list_filter(list_transform(list_filter(ethnicities, lambda x: x.url = 'ombCategory'), lambda x: x.valueCoding), lambda x: x IS NOT NULL) AS ethnicity_codings,
         coalesce(nullif(list_filter(communication, lambda x: x.preferred), []), communication) AS languages
  FROM patients
)
SELECT '{{prefix}}' || 'Patient/' || id AS patient_key, id, active,
       list_filter(identifier, lambda x: len(list_filter(x.type.coding, lambda y: y.code = 'MR')) > 0 AND x.use IS DISTINCT FROM 'old')[1].value AS mrn,
       gender,
       list_filter(extension, lambda x: x.url = 'http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex')[1].valueCode AS birth_sex,
       birthDate AS birth_date,
       CASE length(birthDate) WHEN 10 THEN birthDate::DATE WHEN 7 THEN (birthDate || '-01')::DATE WHEN 4 THEN (birthDate || '-01-01')::DATE END AS birth_date_start,
       CASE length(birthDate) WHEN 10 THEN birthDate::DATE WHEN 7 THEN last_day((birthDate || '-01')::DATE) WHEN 4 THEN (birthDate || '-12-31')::DATE END AS birth_date_end,
       list_filter(_birthDate.extension, lambda x: x.url = 'http://hl7.org/fhir/StructureDefinition/data-absent-reason')[1].valueCode AS birth_date_absent_reason,
       CASE WHEN deceasedDateTime IS NOT NULL THEN true ELSE deceasedBoolean END AS deceased,
       deceasedDateTime AS deceased_date,
       CASE length(deceasedDateTime) WHEN 7 THEN (deceasedDateTime || '-01')::DATE WHEN 4 THEN (deceasedDateTime || '-01-01')::DATE ELSE deceasedDateTime[1:10]::DATE END AS deceased_date_start,
       CASE length(deceasedDateTime) WHEN 7 THEN last_day((deceasedDateTime || '-01')::DATE) WHEN 4 THEN (deceasedDateTime || '-12-31')::DATE ELSE deceasedDateTime[1:10]::DATE END AS deceased_date_end,
       CASE WHEN len(race_codings) > 0 THEN array_to_string(list_transform(race_codings, lambda x: x.display), '; ')
            ELSE list_filter(races, lambda x: x.url = 'text')[1].valueString END AS race,
       array_to_string(list_transform(race_codings, lambda x: x.code), '; ') AS race_code,
       CASE WHEN len(ethnicity_codings) > 0 THEN array_to_string(list_transform(ethnicity_codings, lambda x: x.display), '; ')
            ELSE list_filter(ethnicities, lambda x: x.url = 'text')[1].valueString END AS ethnicity,
       array_to_string(list_transform(ethnicity_codings, lambda x: x.code), '; ') AS ethnicity_code,
       maritalStatus.coding[1].code AS marital_status_code, coalesce(maritalStatus.coding[1].display, maritalStatus.text) AS marital_status,
       flatten(list_transform(languages, lambda x: x.language.coding))[1].code AS language,
       CASE WHEN managingOrganization.reference LIKE 'Organization/%' THEN '{{prefix}}' || managingOrganization.reference END AS managing_organization_key,
       '{{prefix}}' || list_filter(list_transform(list_filter(link, lambda x: x.type = 'replaced-by'), lambda x: x.other.reference), lambda x: x LIKE 'Patient/%')[1] AS replaced_by_key,
       home.postalCode AS postal_code, home.city AS city, home.state AS state, home.country AS country
FROM categories
