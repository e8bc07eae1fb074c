import { registerView } from "#batch";
import type { Lake } from "#lake";

type RegisteredView = ReturnType<typeof registerView>;

/** A view `people` of patients with their ids and family names, to be built in a lake; by name. */
export function peopleView(lake: Lake): Map<string, RegisteredView> {
  const column = [
    { name: "id", path: "id", type: "string" },
    { name: "family", path: "name.family.first()", type: "string" },
  ];
  const definition = {
    resourceType: "ViewDefinition",
    name: "people",
    resource: "Patient",
    status: "active",
    select: [{ column }],
  };
  return new Map([
    ["people", registerView(JSON.stringify(definition), "people.json", lake.definitions, true)],
  ]);
}
