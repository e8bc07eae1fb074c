import { DAY } from "../calendar.js";
import type { Chart } from "../chart.js";
import type {
  EncounterFact,
  Measured,
  ObservationFact,
  ObservationValue,
  ObservedValue,
  ReportFact,
} from "../fact.js";
import { decimalText } from "../json-text.js";
import type { Random } from "../random.js";
import { type Analyte, FINDING, type Panel, VITAL } from "../table/analyte.js";
import { CODED, WORDS } from "../table/finding-value.js";

/**
 * A number as a device reports it: rounded to the analyte's digits. Beyond what it can measure the limit is reported with
 * a comparator and without padding zeros.
 */
export function measured(analyte: Analyte, value: number): Measured {
  const { floor, ceiling, digits } = analyte;
  if (floor !== undefined && value < floor)
    return { kind: "quantity", text: String(floor), amount: floor, comparator: "<" };
  if (ceiling !== undefined && value > ceiling) {
    return { kind: "quantity", text: String(ceiling), amount: ceiling, comparator: ">" };
  }
  const text = decimalText(floor === undefined ? Math.max(0, value) : value, digits);
  return { kind: "quantity", text, amount: Number(text) };
}

/** The value that a test of this person gives at a time: their usual level with the day's variation. */
export function testValue(chart: Chart, random: Random, analyte: Analyte, at: number): ObservedValue {
  const coded = CODED.get(analyte);
  if (coded !== undefined) return { kind: "concept", code: random.choose(coded) };
  const words = WORDS.get(analyte);
  if (words !== undefined) return { kind: "text", text: random.pick(words) };
  const value = chart.usual(analyte, at) + random.normal(0, 0.7) * analyte.deviation;
  if (analyte === FINDING.depression)
    return { kind: "integer", value: Math.min(27, Math.max(0, Math.round(value))) };
  if (analyte === VITAL.pain) return measured(analyte, Math.min(10, Math.max(0, value)));
  return measured(analyte, analyte.unitCode === "%" ? Math.min(99.9, value) : value);
}

/** What differs from an ordinary observation. */
export interface ObserveOptions {
  /** True when the record must stay final and complete, because a cohort depends on it. */
  readonly certain?: boolean;
  /** When it was measured; default the start of the encounter. */
  readonly at?: number;
}

/** Why a laboratory value is missing. */
const ABSENT = ["not-performed", "unknown", "error", "masked"] as const;

/** Adds an Observation and returns it. Some laboratory results are later amended, withdrawn, or lack their value. */
export function observe(
  chart: Chart,
  random: Random,
  encounter: EncounterFact,
  analyte: Analyte,
  value: ObservationValue,
  options: ObserveOptions = {},
): ObservationFact {
  const at = options.at ?? encounter.start;
  const laboratory = analyte.category === "laboratory";
  const issuedAt = laboratory ? Math.min(at + random.whole(3_000, 90_000), Math.max(chart.end - 30, at)) : at;
  const { id, version, updatedAtMs } = chart.newFact(issuedAt);
  const observation: ObservationFact = {
    // Named one by one: spreading is the one thing here that shows in a profile.
    id,
    version,
    updatedAtMs,
    analyte,
    at,
    encounter,
    extraCoding: random.chance(laboratory ? 0.012 : 0.002),
    // Clinics differ in what their laboratory sends along.
    withRange: laboratory && encounter.site % 3 === 0,
    performer: laboratory && encounter.site % 4 === 0 ? encounter.site : undefined,
    issuedMs: issuedAt * 1000 + random.whole(0, 999),
    value,
    note: undefined,
    status: "final",
  };
  if (options.certain !== true) disturb(chart, random, observation);
  chart.observations.push(observation);
  return observation;
}

/** What goes wrong with records: withdrawn, amended, cancelled, still preliminary, or without a value. */
function disturb(chart: Chart, random: Random, observation: ObservationFact): void {
  const draw = random.uniform();
  const laboratory = observation.analyte.category === "laboratory";
  const later = observation.at + random.whole(1, 21) * DAY;
  if (draw < 0.003) {
    observation.status = "entered-in-error";
    chart.amend(observation, later);
  } else if (!laboratory) {
    return;
  } else if (draw < 0.011) {
    observation.status = draw < 0.008 ? "amended" : "corrected";
    observation.note = "Result amended after repeat analysis of the same specimen.";
    chart.amend(observation, later);
  } else if (draw < 0.013) {
    observation.status = "cancelled";
    observation.value = { kind: "absent", reason: "not-performed" };
    observation.note = "Specimen hemolyzed.\nPlease send a new tube.";
  } else if (draw < 0.018) {
    observation.value = { kind: "absent", reason: random.pick(ABSENT) };
  } else if (draw < 0.03 && observation.at > chart.end - 3 * DAY) {
    observation.status = "preliminary";
  }
}

/** Adds one test of this person at an encounter. */
export function test(
  chart: Chart,
  random: Random,
  encounter: EncounterFact,
  analyte: Analyte,
): ObservationFact {
  return observe(chart, random, encounter, analyte, testValue(chart, random, analyte, encounter.start));
}

/** Adds all tests of a panel and the DiagnosticReport that lists them. */
export function testPanel(chart: Chart, random: Random, encounter: EncounterFact, panel: Panel): ReportFact {
  const results = panel.members.map((analyte) => test(chart, random, encounter, analyte));
  const issuedMs = Math.max(...results.map((result) => result.issuedMs));
  const amended = results.some((result) => result.status === "amended" || result.status === "corrected");
  const report: ReportFact = {
    ...chart.newFact(Math.floor(issuedMs / 1000)),
    panel,
    at: encounter.start,
    encounter,
    results,
    issuedMs,
    status: amended ? "amended" : "final",
  };
  if (amended) chart.amend(report, encounter.start + 21 * DAY);
  chart.reports.push(report);
  return report;
}
