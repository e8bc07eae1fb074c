import { createWriteStream, writeFileSync } from "node:fs";
import path from "node:path";
import { finished } from "node:stream/promises";

function observation(index: number, value: number, at: string): string {
  return `{"resourceType":"Observation","id":"o${index}","meta":{"lastUpdated":"${at}"},"status":"final","code":{"coding":[{"system":"http://loinc.org","code":"${8000 + (index % 500)}-1"}]},"subject":{"reference":"Patient/p${index % 50_000}"},"effectiveDateTime":"2025-03-${String(1 + (index % 28)).padStart(2, "0")}","valueQuantity":{"value":${value},"unit":"mg/dL"}}`;
}

/** Observation number `index` as it is after a change. */
export function changedObservation(index: number, value: number): string {
  return observation(index, value, new Date().toISOString());
}

/** Writes so many small Observations, one row each in the view of {@link wideView}. */
export async function writeObservations(folder: string, count: number): Promise<string> {
  const file = path.join(folder, "Observation.ndjson");
  const out = createWriteStream(file);
  for (let at = 0; at < count; at += 10_000) {
    const lines = Array.from({ length: Math.min(10_000, count - at) }, (_, offset) =>
      observation(at + offset, (at + offset) % 300, "2026-01-01T00:00:00Z"),
    );
    if (!out.write(`${lines.join("\n")}\n`))
      await new Promise<void>((resolve) => out.once("drain", () => resolve()));
  }
  out.end();
  await finished(out);
  return file;
}

/** A view with one row per Observation; answers its folder. */
export function wideView(folder: string): string {
  const column = (name: string, at: string, type: string): object => ({ name, path: at, type });
  const view = {
    resourceType: "ViewDefinition",
    name: "value_of_observation",
    status: "active",
    resource: "Observation",
    select: [
      {
        column: [
          column("key", "getResourceKey()", "string"),
          column("id", "id", "id"),
          column("patient", "subject.getReferenceKey(Patient)", "string"),
          column("code", "code.coding.first().code", "code"),
          column("day", "effective.ofType(dateTime)", "dateTime"),
          column("value", "value.ofType(Quantity).value", "decimal"),
          column("unit", "value.ofType(Quantity).unit", "string"),
        ],
      },
    ],
  };
  const file = path.join(folder, "value_of_observation.json");
  writeFileSync(file, JSON.stringify(view));
  return folder;
}
