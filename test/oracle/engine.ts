import { createRequire } from "node:module";
import type { DecimalValue } from "./decimal.js";

/**
 * The parts of HL7 fhirpath.js that the oracle builds on: its parser, its navigation with the R4 model, and its engine
 * for everything that `functions.ts` does not replace. The package's own types leave most of this out.
 */
const require = createRequire(import.meta.url);

/** A node of a FHIR resource as fhirpath.js holds it. */
export interface ResourceNode {
  readonly data: unknown;
  readonly _data: Record<string, unknown>;
  readonly fhirNodeDataType: string | null;
  readonly path: string | null;
}

/** One item of a collection: a node of a resource, or a plain value that an expression computed. */
export type Item = ResourceNode | EngineValue | string | number | bigint | boolean;

/** fhirpath.js's own values: dates, times and quantities; `asStr` is the text they were made of. */
export interface EngineValue {
  readonly asStr?: string;
}

export interface SyntaxNode {
  readonly type: string;
  readonly text?: string;
  readonly delimitedText?: string;
  readonly value?: string;
  readonly unit?: string;
  readonly children?: readonly SyntaxNode[];
}

export interface TypeName {
  readonly name: string;
  readonly namespace?: string;
}

/** What a function implementation is given: the input collection, then its arguments by declared kind. */
export interface UserFunction {
  readonly fn: (this: EngineContext, input: Item[], ...parameters: never[]) => unknown;
  readonly arity: Record<number, readonly string[]>;
  readonly nullable?: boolean;
  readonly internalStructures: true;
}

export interface EngineContext {
  $index?: number;
  readonly vars: Readonly<Record<string, unknown>>;
}

/** The variable that holds what keys of resources start with; no ViewDefinition can use its name. */
export const keyPrefixVariable = "key_prefix_";

interface FhirPathModule {
  parse(expression: string): SyntaxNode;
  compile(
    expression: string,
    model: unknown,
    options: { userInvocationTable: Record<string, UserFunction>; resolveInternalTypes: boolean },
  ): (focus: unknown, variables: Record<string, unknown>) => unknown[];
}

type Constructor<T> = new (...parameters: never[]) => T;

interface TypesModule {
  FP_Type: new () => EngineValue;
  FP_Date: Constructor<EngineValue>;
  FP_DateTime: Constructor<EngineValue>;
  FP_Time: Constructor<EngineValue>;
  FP_Quantity: Constructor<EngineValue & { readonly value: number; readonly unit: string }>;
  ResourceNode: Constructor<ResourceNode> & {
    makeResNode(
      data: unknown,
      parent: null,
      path: string | null,
      extra: null,
      fhirType: string | null,
      model: unknown,
    ): ResourceNode;
  };
}

export const fhirpath = require("fhirpath") as FhirPathModule;
export const r4 = require("fhirpath/fhir-context/r4") as { type2Parent: Record<string, string> };
export const types = require("fhirpath/src/types") as TypesModule;

/** An exact decimal that fhirpath.js carries around as one of its own values. */
export class ExactDecimal extends types.FP_Type {
  readonly exact: DecimalValue;

  constructor(exact: DecimalValue) {
    super();
    this.exact = exact;
  }

  override toString(): string {
    return this.exact.text;
  }
}

/** The data of an item, whether node or plain value; null for a node that has only an id or extensions. */
export function dataOf(item: Item): unknown {
  return item instanceof types.ResourceNode ? (item.data ?? null) : item;
}

/** The node of a whole resource. */
export function resourceNode(resource: Record<string, unknown>): ResourceNode {
  return types.ResourceNode.makeResNode(resource, null, null, null, null, r4);
}
