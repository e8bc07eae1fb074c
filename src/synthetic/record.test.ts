import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { POPULATION_DATE } from "./era.js";
import { patientRecord, sharedResources } from "./record.js";
import type { ResourceText } from "./render/resource.js";

interface Resource {
  readonly resourceType: string;
  readonly id: string;
  readonly meta?: { readonly versionId: string; readonly lastUpdated: string };
  readonly [element: string]: unknown;
}

const SEED = 20_250;
const PATIENTS = 150;

const shared = [...sharedResources(SEED)];
const records = Array.from({ length: PATIENTS }, (_, index) => patientRecord(SEED, index));
const all: readonly ResourceText[] = [...shared, ...records.flatMap((record) => record.resources)];
const parsed = all.map(({ text }) => JSON.parse(text) as Resource);

function ofType(type: string): Resource[] {
  return parsed.filter(({ resourceType }) => resourceType === type);
}

/** Calls `visit` for every object in a JSON value. */
function walk(value: unknown, visit: (object: Record<string, unknown>) => void): void {
  if (Array.isArray(value)) for (const item of value) walk(item, visit);
  else if (typeof value === "object" && value !== null) {
    visit(value as Record<string, unknown>);
    for (const item of Object.values(value)) walk(item, visit);
  }
}

function share(type: string, element: string): number {
  const resources = ofType(type);
  return resources.filter((resource) => element in resource).length / resources.length;
}

describe("patientRecord", () => {
  it("gives the same bytes for the same seed and index, in any order and however often", () => {
    const hash = (index: number) =>
      createHash("sha256")
        .update(JSON.stringify(patientRecord(SEED, index)))
        .digest("hex");
    const forward = [5, 6, 7].map(hash);
    const backward = [7, 6, 5].map(hash).reverse();
    expect(backward).toEqual(forward);
    expect(new Set(forward).size).toBe(3);
    expect(patientRecord(SEED + 1, 5).resources[0]!.text).not.toBe(records[5]!.resources[0]!.text);
  });

  it("writes each resource as one line of JSON that begins with its type and id", () => {
    for (const [i, { type, id, text }] of all.entries()) {
      const resource = parsed[i]!;
      expect(text.startsWith(`{"resourceType":"${type}","id":"${id}"`)).toBe(true);
      expect([resource.resourceType, resource.id]).toEqual([type, id]);
      expect(/[\n\r]/.test(text) || text.includes("\x1f")).toBe(false);
    }
  });

  it("gives every resource an id of its own", () => {
    expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
  });

  it("refers only to resources that exist", () => {
    const known = new Set(all.map(({ type, id }) => `${type}/${id}`));
    const dangling: string[] = [];
    for (const resource of parsed) {
      const contained = (resource["contained"] as Resource[] | undefined) ?? [];
      const local = new Set(contained.map(({ id }) => `#${id}`));
      walk(resource, (object) => {
        const reference = object["reference"];
        if (typeof reference === "string" && !known.has(reference) && !local.has(reference))
          dangling.push(reference);
      });
    }
    expect(dangling).toEqual([]);
  });

  it("never writes null, an empty string, an empty list or an empty object", () => {
    const empty: string[] = [];
    for (const resource of parsed) {
      walk(resource, (object) => {
        for (const [name, value] of Object.entries(object)) {
          const bare =
            value === null || value === "" || (typeof value === "object" && Object.keys(value).length === 0);
          if (bare) empty.push(`${resource.resourceType}.${name}`);
        }
      });
    }
    expect(empty).toEqual([]);
  });

  it("puts versionId and lastUpdated on everything, never after the population's date", () => {
    for (const { meta } of parsed) {
      expect(meta!.versionId).toMatch(/^[1-9]\d*$/);
      expect(meta!.lastUpdated).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      expect(Date.parse(meta!.lastUpdated)).toBeLessThan(POPULATION_DATE * 1000);
    }
    expect(parsed.some(({ meta }) => meta!.versionId !== "1")).toBe(true);
  });

  it("leaves meta out when asked to, and changes nothing else", () => {
    const bare = patientRecord(SEED, 3, { meta: false }).resources;
    const full = records[3]!.resources;
    const strip = (text: string) => {
      const { meta: _, ...rest } = JSON.parse(text) as Resource;
      return JSON.stringify(rest);
    };
    expect(bare.map(({ text }) => JSON.stringify(JSON.parse(text)))).toEqual(
      full.map(({ text }) => strip(text)),
    );
    expect(bare.some(({ text }) => text.includes('"meta"'))).toBe(false);
  });

  it("keeps trailing zeros of decimals", () => {
    const texts = all.filter(({ type }) => type === "Observation").map(({ text }) => text);
    const values = texts.flatMap((text) => /"valueQuantity":\{"value":(-?[0-9.]+)/.exec(text)?.[1] ?? []);
    const padded = values.filter((value) => /\.\d*0$/.test(value));
    expect(padded.length / values.length).toBeGreaterThan(0.05);
    expect(values.some((value) => value.endsWith(".0"))).toBe(true);
  });

  it("lets nothing happen after death or before birth", () => {
    for (const { resources, truth } of records) {
      const encounters = resources
        .filter(({ type }) => type === "Encounter")
        .map(({ text }) => (JSON.parse(text) as { period: { start: string; end: string } }).period);
      for (const { start, end } of encounters) {
        expect(Date.parse(start)).toBeLessThan(Date.parse(end));
        if (truth.deceased_date !== "") expect(start.slice(0, 10) <= truth.deceased_date).toBe(true);
        if (truth.birth_date.length === 10) expect(start.slice(0, 10) >= truth.birth_date).toBe(true);
      }
    }
  });
});

describe("the population", () => {
  it("has the type mix of real exports", () => {
    const mix = (type: string) => ofType(type).length / (parsed.length - shared.length);
    const expected: readonly (readonly [string, number, number])[] = [
      ["Observation", 0.424, 0.06],
      ["Claim", 0.158, 0.04],
      ["Encounter", 0.096, 0.03],
      ["ExplanationOfBenefit", 0.096, 0.03],
      ["MedicationRequest", 0.062, 0.03],
      ["Procedure", 0.061, 0.03],
      ["Immunization", 0.033, 0.02],
      ["DiagnosticReport", 0.023, 0.015],
      ["Condition", 0.017, 0.01],
    ];
    for (const [type, figure, tolerance] of expected) {
      expect(Math.abs(mix(type) - figure), type).toBeLessThan(tolerance);
    }
  });

  it("has few patients with many resources and many with few", () => {
    const counts = records.map(({ resources }) => resources.length).sort((a, b) => a - b);
    const at = (p: number) => counts[Math.floor(p * counts.length)]!;
    expect(at(0.5)).toBeGreaterThan(180);
    expect(at(0.5)).toBeLessThan(380);
    expect(at(0.9) / at(0.5)).toBeGreaterThan(1.6);
    expect(at(0.1) / at(0.5)).toBeLessThan(0.7);
    const bytes = all.reduce((sum, { text }) => sum + Buffer.byteLength(text) + 1, 0) / PATIENTS;
    expect(bytes).toBeGreaterThan(300_000);
    expect(bytes).toBeLessThan(600_000);
  });

  it("has the kinds of values that real exports have, in about their shares", () => {
    expect(share("Observation", "valueQuantity")).toBeGreaterThan(0.8);
    expect(share("Observation", "component")).toBeGreaterThan(0.04);
    expect(share("Observation", "component")).toBeLessThan(0.11);
    expect(share("Observation", "valueCodeableConcept")).toBeGreaterThan(0.03);
    for (const element of [
      "valueString",
      "valueDateTime",
      "valueInteger",
      "dataAbsentReason",
      "note",
      "interpretation",
    ]) {
      expect(share("Observation", element), element).toBeGreaterThan(0);
    }
    expect(share("Condition", "abatementDateTime")).toBeGreaterThan(0.5);
    expect(share("Condition", "onsetAge")).toBeGreaterThan(0);
    expect(share("Encounter", "reasonCode")).toBeGreaterThan(0.25);
    expect(share("MedicationRequest", "dosageInstruction")).toBeGreaterThan(0.3);
    expect(share("MedicationRequest", "medicationReference")).toBeGreaterThan(0.01);
    expect(share("ExplanationOfBenefit", "contained")).toBe(1);
  });

  it("has the oddities that readers trip over", () => {
    const statuses = new Set(ofType("Observation").map((resource) => resource["status"]));
    for (const status of ["final", "amended", "corrected", "entered-in-error"])
      expect(statuses).toContain(status);
    const text = all.map((resource) => resource.text).join("\n");
    expect(text).toContain('"comparator":"<"');
    expect(text).toContain('"comparator":">"');
    expect(text).toMatch(/"onsetDateTime":"\d{4}-\d\d"/);
    expect(text).toMatch(/"use":"maiden"/);
    expect(Buffer.byteLength(text)).toBeGreaterThan(text.length);
    expect(text).toContain(
      '"verificationStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/condition-ver-status","code":"refuted"}]}',
    );
  });

  it("writes partial birth dates, absent ones, unknown times of death, and merged records", () => {
    const patients = Array.from(
      { length: 700 },
      (_, index) => patientRecord(9, index, { density: 0.1 }).resources,
    )
      .flat()
      .filter(({ type }) => type === "Patient")
      .map(({ text }) => text);
    const has = (pattern: RegExp) => patients.filter((text) => pattern.test(text)).length;
    expect(has(/"birthDate":"\d{4}"/)).toBeGreaterThan(0);
    expect(has(/"birthDate":"\d{4}-\d\d"/)).toBeGreaterThan(0);
    expect(has(/"_birthDate":\{"extension":\[\{"url":"[^"]*data-absent-reason"/)).toBeGreaterThan(0);
    expect(has(/"deceasedBoolean":true/)).toBeGreaterThan(0);
    expect(has(/"deceasedDateTime":"/) / patients.length).toBeGreaterThan(0.03);
    expect(has(/"type":"replaced-by"/)).toBe(has(/"type":"replaces"/));
    expect(has(/"type":"replaced-by"/)).toBeGreaterThan(0);
    expect(has(/"multipleBirthInteger":/)).toBeGreaterThan(0);
    expect(has(/us-core-race/) / patients.length).toBeGreaterThan(0.95);
  });

  it("is thinner at a lower density, with the same people", () => {
    const thin = patientRecord(SEED, 11, { density: 0.3 });
    expect(thin.resources[0]!.id).toBe(records[11]!.resources[0]!.id);
    const count = (density: number) =>
      Array.from({ length: 40 }, (_, i) => patientRecord(SEED, i, { density }).resources.length).reduce(
        (a, b) => a + b,
        0,
      );
    expect(count(0.3)).toBeLessThan(0.7 * count(1));
  });
});
