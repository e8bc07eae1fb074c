-- Patients with one of some conditions, with the first and the last time that it was recorded.
-- Conditions that were entered in error or refuted are left out.
-- @param codes text[]: codes as in the column code of condition, such as 44054006
-- @param since date = 1900-01-01: only conditions that began on this day or later
SELECT
  c.patient_key,
  min(c.onset_date) AS first_onset,
  max(c.onset_date) AS last_onset,
  count(*) AS conditions,
  list_sort(list(DISTINCT c.code)) AS codes
FROM condition c
WHERE c.code IN $codes
  AND (c.onset_date IS NULL OR c.onset_date >= $since)
  AND coalesce(c.verification_status NOT IN ('entered-in-error', 'refuted'), true)
GROUP BY c.patient_key
ORDER BY c.patient_key
