-- Results of one laboratory test by month: how many, and their spread, for each unit.
-- @param loinc text = 4548-4: the test's LOINC code
-- @param from_day date = 2000-01-01: first day of the results
-- @param least integer = 11: months with fewer patients are left out
SELECT
  date_trunc('month', effective_date)::DATE AS month,
  unit_code,
  count(*) AS results,
  count(DISTINCT patient_key) AS patients,
  quantile_cont(value_number, 0.25) AS lower_quartile,
  median(value_number) AS median,
  quantile_cont(value_number, 0.75) AS upper_quartile
FROM laboratory
WHERE loinc_code = $loinc AND effective_date >= $from_day AND value_number IS NOT NULL
GROUP BY ALL
HAVING count(DISTINCT patient_key) >= $least
ORDER BY ALL
