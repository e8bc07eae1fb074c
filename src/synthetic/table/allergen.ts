import { type Code, snomed } from "../code.js";
import { type Weighted, weighted } from "../random.js";

/** An allergy and its usual category and reactions. */
export interface Allergen {
  readonly code: Code;
  readonly category: "food" | "medication" | "environment";
}

function allergen(value: string, display: string, category: Allergen["category"]): Allergen {
  return { code: snomed(value, display), category };
}

/** The allergies, weighted by how often they are recorded. */
export const ALLERGEN: Weighted<Allergen> = weighted([
  [allergen("419474003", "Allergy to mould", "environment"), 18],
  [allergen("232347008", "Dander (animal) allergy", "environment"), 16],
  [allergen("418689008", "Allergy to grass pollen", "environment"), 16],
  [allergen("232350006", "House dust mite allergy", "environment"), 13],
  [allergen("419263009", "Allergy to tree pollen", "environment"), 10],
  [allergen("300913006", "Shellfish allergy", "food"), 8],
  [allergen("91934008", "Allergy to nut", "food"), 8],
  [allergen("91936005", "Allergy to penicillin", "medication"), 9],
  [allergen("425525006", "Allergy to dairy product", "food"), 5],
  [allergen("424213003", "Allergy to bee venom", "environment"), 3],
  [allergen("91935009", "Allergy to peanuts", "food"), 5],
]);

/** What an allergy does. */
export const REACTION: readonly Code[] = [
  snomed("247472004", "Wheal (finding)"),
  snomed("271807003", "Eruption of skin (disorder)"),
  snomed("49727002", "Cough (finding)"),
  snomed("39579001", "Anaphylaxis (disorder)"),
];
