-- Patients by decade of birth and sex.
-- Counts resources: a person who was registered twice counts twice.
-- @param born_from date = 1900-01-01: first day of birth that counts
-- @param gender text = null: one sex alone, such as female
SELECT
  year(birth_date_start) // 10 * 10 AS decade,
  gender,
  count(*) AS patients
FROM patient_demographics
WHERE birth_date_start >= $born_from AND ($gender IS NULL OR gender = $gender)
GROUP BY ALL
ORDER BY ALL
