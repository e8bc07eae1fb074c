import type { UserFunction } from "../engine.js";
import { operatorFunctions } from "../operators.js";
import { conversions } from "./conversions.js";
import { fhir } from "./fhir.js";
import { filtering } from "./filtering.js";
import { numbers } from "./numbers.js";
import { strings } from "./strings.js";

/** Everything that replaces or adds to fhirpath.js's own functions; each group says why. */
export const oracleFunctions: Record<string, UserFunction> = {
  ...operatorFunctions,
  ...filtering,
  ...strings,
  ...numbers,
  ...conversions,
  ...fhir,
};
