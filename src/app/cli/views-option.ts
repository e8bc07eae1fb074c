import { loadViews, type RegisteredView, shippedViewsDirectory } from "#batch";
import type { Definitions } from "#fhir";
import type { OptionValues } from "./command.js";
import { listOption } from "./option-value.js";

/** The shipped views, then those of each `--views DIR`; later folders replace views of the same name. */
export async function wantedViews(
  values: OptionValues,
  definitions: Definitions,
): Promise<Map<string, RegisteredView>> {
  return loadViews([shippedViewsDirectory(), ...listOption(values, "views")], definitions);
}
