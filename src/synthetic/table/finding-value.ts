import { type Code, snomed } from "../code.js";
import { type Weighted, weighted } from "../random.js";
import { type Analyte, FINDING } from "./analyte.js";

/** Smoking status by what the person does. */
export const SMOKING: Readonly<Record<"never" | "former" | "current", Code>> = {
  never: snomed("266919005", "Never smoker"),
  former: snomed("8517006", "Former smoker"),
  current: snomed("449868002", "Current every day smoker"),
};

const NEGATIVE = snomed("260385009", "Negative (qualifier value)");
const POSITIVE = snomed("10828004", "Positive (qualifier value)");

/** The coded answers of an observation and how often each is given. */
export const CODED: ReadonlyMap<Analyte, Weighted<Code>> = new Map<Analyte, Weighted<Code>>([
  [
    FINDING.bloodGroup,
    weighted([
      [snomed("112144000", "Blood group A (finding)"), 40],
      [snomed("112149005", "Blood group B (finding)"), 11],
      [snomed("58460004", "Blood group O (finding)"), 45],
      [snomed("165743006", "Blood group AB (finding)"), 4],
    ]),
  ],
  [
    FINDING.urineColor,
    weighted([
      [snomed("371254008", "Brown color (qualifier value)"), 1],
      [snomed("371244009", "Yellow color (qualifier value)"), 9],
    ]),
  ],
  [
    FINDING.urineClarity,
    weighted([
      [snomed("7766007", "Cloudy urine (finding)"), 2],
      [snomed("300828005", "Translucent urine (finding)"), 5],
    ]),
  ],
  [
    FINDING.urineNitrite,
    weighted([
      [NEGATIVE, 7],
      [POSITIVE, 3],
    ]),
  ],
  [
    FINDING.urineLeukocytes,
    weighted([
      [NEGATIVE, 6],
      [POSITIVE, 4],
    ]),
  ],
  [
    FINDING.prostateExam,
    weighted([
      [snomed("275302008", "Prostate enlarged on PR"), 6],
      [snomed("300552000", "Prostate normal (finding)"), 4],
    ]),
  ],
]);

/** Answers given in words. */
export const WORDS: ReadonlyMap<Analyte, readonly string[]> = new Map<Analyte, readonly string[]>([
  [
    FINDING.housing,
    [
      "Patient is not homeless",
      "Patient is not homeless",
      "Patient is homeless",
      'Lives with "family"; no stairs',
    ],
  ],
  [FINDING.insurance, ["Yes", "Yes", "No"]],
]);
