/**
 * One night's changes to one chart. Which patients are touched, and how, depends on seed, index and batch number only,
 * so the history of a patient can be told alone.
 */
import { DAY, localDay, momentOf } from "../calendar.js";
import type { Chart } from "../chart.js";
import { batchHours } from "../era.js";
import type { Fact, Measured, ObservationFact } from "../fact.js";
import { makeHome, makePhone } from "../person.js";
import { Random } from "../random.js";
import { chartTexts } from "../render/chart.js";
import type { RenderOptions, ResourceText } from "../render/resource.js";
import { fallIll, illnessAt } from "../story/acute.js";
import { diabetesVisit } from "../story/diabetes.js";
import { hypertensionOf, pressureVisit } from "../story/hypertension.js";
import { tellImaging } from "../story/imaging.js";
import { measured } from "../story/measure.js";
import { paperworkMark, tellPaperwork } from "../story/paperwork.js";
import { checkUp } from "../story/wellness.js";
import { DRUG } from "../table/drug.js";
import { type2Of } from "../truth.js";

/** The share of patients that a batch touches. */
const TOUCHED_SHARE = 0.3;

/** A resource that a batch takes away. */
export interface Deletion {
  readonly type: string;
  readonly id: string;
}

/** What a batch delivers about one patient. */
export interface NightChanges {
  /** New and changed resources in their newest version. */
  readonly upserts: readonly ResourceText[];
  readonly deletions: readonly Deletion[];
  /** Lines that tell nothing new: unchanged resources sent again, and versions that are out of date already. */
  readonly echoes: readonly ResourceText[];
}

/** True when a batch changes anything about a patient. */
export function isTouched(seed: number, index: number, batch: number): boolean {
  return Random.stream(seed, index, `touch/${batch}`).chance(TOUCHED_SHARE);
}

/** A visit on the day of the batch: for what the patient has, else for an illness or a check-up. */
function comeIn(chart: Chart, random: Random, at: number): void {
  const mark = paperworkMark(chart);
  const diabetes = type2Of(chart);
  const hypertension = hypertensionOf(chart);
  if (diabetes !== undefined && random.chance(0.6)) {
    const options = { millimoles: random.chance(0.15), certain: true, insulin: random.chance(0.2) };
    diabetesVisit(chart, random, at, diabetes, random.normal(7.4, 0.9), options);
  } else if (hypertension !== undefined && random.chance(0.6)) {
    pressureVisit(chart, random, at, hypertension, DRUG.lisinopril, true);
  } else if (random.chance(0.6)) {
    fallIll(chart, random, at, illnessAt(chart, random, at));
  } else {
    checkUp(chart, random, at, localDay(at) - 365);
  }
  tellImaging(chart, random, mark.procedures);
  tellPaperwork(chart, random, mark);
}

/** One of the facts for which `fits` holds, by a bounded number of tries. */
function find<T>(random: Random, facts: readonly T[], fits: (fact: T) => boolean): T | undefined {
  for (let i = 0; i < 12 && facts.length > 0; i++) {
    const fact = random.pick(facts);
    if (fits(fact)) return fact;
  }
  return undefined;
}

function correctResult(chart: Chart, random: Random, at: number): void {
  const result = find(
    random,
    chart.observations,
    ({ analyte, value, status }) =>
      analyte.category === "laboratory" && value.kind === "quantity" && status === "final",
  );
  if (result === undefined) return;
  const old = result.value as Measured;
  result.value = measured(result.analyte, old.amount * random.between(0.92, 1.08));
  result.status = "corrected";
  result.note = "Result corrected: the specimen was measured again.";
  chart.amend(result, at);
  for (const report of chart.reports) {
    if (!report.results.includes(result)) continue;
    report.status = "amended";
    chart.amend(report, at);
  }
}

function withdrawResult(chart: Chart, random: Random, at: number): void {
  const result = find(random, chart.observations, ({ status }) => status === "final");
  if (result === undefined) return;
  result.status = "entered-in-error";
  chart.amend(result, at);
}

function reviewConditions(chart: Chart, random: Random, at: number): void {
  const diabetes = type2Of(chart);
  if (diabetes !== undefined && random.chance(0.03)) {
    diabetes.verification = "entered-in-error";
    diabetes.clinical = undefined;
    diabetes.abatedAt = undefined;
    chart.amend(diabetes, at);
    return;
  }
  const condition = find(
    random,
    chart.conditions,
    (fact) => fact.clinical === "active" && fact !== diabetes && fact.recordedAt < at,
  );
  if (condition === undefined) return;
  condition.clinical = "resolved";
  condition.abatedAt = at;
  chart.amend(condition, at);
}

function stopDrug(chart: Chart, random: Random, at: number): void {
  const medication = find(random, chart.medications, ({ status }) => status === "active");
  if (medication === undefined) return;
  medication.status = "stopped";
  chart.amend(medication, at);
}

function move(chart: Chart, random: Random, at: number): void {
  chart.person.home = makeHome(random);
  if (random.chance(0.5)) chart.person.phone = makePhone(random);
  chart.amend(chart.patient, at);
}

function die(chart: Chart, random: Random, from: number, to: number): void {
  const latestVisit = Math.max(from, ...chart.encounters.map(({ end }) => end));
  if (latestVisit >= to - 60) return;
  chart.person.death = random.whole(latestVisit, to - 60);
  chart.end = chart.person.death;
  chart.amend(chart.patient, chart.person.death);
}

/** Takes a fact out of its list. */
function remove<T extends Fact>(facts: T[], fact: T | undefined, type: string, deletions: Deletion[]): void {
  if (fact === undefined) return;
  facts.splice(facts.indexOf(fact), 1);
  deletions.push({ type, id: fact.id });
}

/**
 * Deletes what nothing else refers to: claims with their answer, notes, observations outside reports. What was stored or
 * changed in this batch stays, since a batch says one thing about a resource.
 */
function clean(chart: Chart, random: Random, fromMs: number, deletions: Deletion[]): void {
  const old = (fact: Fact | undefined) => fact === undefined || fact.updatedAtMs < fromMs;
  if (random.chance(0.12)) {
    const claim = find(random, chart.claims, (fact) => old(fact) && old(fact.benefit));
    if (claim?.benefit !== undefined) deletions.push({ type: "ExplanationOfBenefit", id: claim.benefit.id });
    remove(chart.claims, claim, "Claim", deletions);
  }
  if (random.chance(0.06))
    remove(chart.documents, find(random, chart.documents, old), "DocumentReference", deletions);
  if (random.chance(0.14)) {
    const reported = new Set<ObservationFact>(chart.reports.flatMap(({ results }) => results));
    const loose = find(random, chart.observations, (fact) => old(fact) && !reported.has(fact));
    remove(chart.observations, loose, "Observation", deletions);
  }
}

/** Lines without news. A stale line is the version before a change, so it needs `meta` to be recognized. */
function echo(
  chart: Chart,
  random: Random,
  before: readonly ResourceText[],
  fromMs: number,
  options: RenderOptions,
): ResourceText[] {
  const echoes = before.filter(() => options.meta && random.chance(0.25));
  if (!random.chance(0.12)) return echoes;
  const wanted = new Set<Fact>();
  for (let i = 0; i < 3; i++) {
    const fact = find(random, chart.observations, ({ updatedAtMs }) => updatedAtMs < fromMs);
    if (fact !== undefined) wanted.add(fact);
  }
  return [...echoes, ...chartTexts(chart, options, (fact) => wanted.has(fact))];
}

/**
 * Tells one batch of a touched chart: changes the chart and returns what the batch delivers. Batches of a chart have to
 * be told in order. A patient who has died is only corrected, not treated.
 */
export function tellNight(chart: Chart, batch: number, options: RenderOptions): NightChanges {
  const { from, to } = batchHours(batch);
  const random = chart.beginBatch(batch, from * 1000, to * 1000);
  const deletions: Deletion[] = [];
  const at = momentOf(localDay(from + DAY / 2), 12 * 3600);
  // The text of what may be changed, so that an outdated version can be sent again.
  const before = new Map(chart.observations.map((fact) => [fact, fact.version]));
  const snapshot = random.chance(0.15)
    ? chartTexts(chart, options, (fact) => before.has(fact as ObservationFact))
    : [];
  if (chart.person.death === undefined && random.chance(0.75)) comeIn(chart, random, at);
  if (random.chance(0.35)) correctResult(chart, random, at);
  if (random.chance(0.08)) withdrawResult(chart, random, at);
  if (random.chance(0.14)) reviewConditions(chart, random, at);
  if (random.chance(0.15)) stopDrug(chart, random, at);
  if (chart.person.death === undefined && random.chance(0.08)) move(chart, random, at);
  if (chart.person.death === undefined && random.chance(0.003)) die(chart, random, from, to);
  clean(chart, random, from * 1000, deletions);
  const changed = new Set(
    chart.observations
      .filter((fact) => (before.get(fact) ?? fact.version) < fact.version)
      .map(({ id }) => id),
  );
  const stale = snapshot.filter(({ id }) => changed.has(id));
  return {
    upserts: chartTexts(chart, options, (fact) => fact.updatedAtMs >= from * 1000),
    deletions,
    echoes: echo(chart, random, stale, from * 1000, options),
  };
}
