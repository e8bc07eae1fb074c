export { clinicalDatePaths } from "./clinical-date.js";
export {
  type Definitions,
  type ElementDefinition,
  type FhirVersion,
  isSubtype,
  jsonName,
  loadDefinitions,
  patientReferencePath,
  type TypeDefinition,
} from "./definitions.js";
export {
  BACKBONE_RECURSION_DEPTH,
  decimalListNames,
  decimalNames,
  type JsonExpectation,
  observedShape,
  type PathNode,
  primitiveShape,
  RECURSION_DEPTH,
  rootNode,
  type Shape,
} from "./shape.js";
