import type { Question } from "../question.js";
import { cohortCount, cohortTwoCriteria } from "./cohorts.js";
import { cohortBloodPressures, latestHba1c } from "./results.js";
import { patientTimeline, readById } from "./single-patient.js";
import { cohortExtraction, demographicsTable } from "./tables.js";

/** All questions, from one resource to many. */
export const questions: readonly Question[] = [
  readById,
  cohortCount,
  cohortTwoCriteria,
  latestHba1c,
  cohortBloodPressures,
  patientTimeline,
  demographicsTable,
  cohortExtraction,
];
