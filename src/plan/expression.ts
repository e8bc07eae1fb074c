import type { DataType } from "./data-type.js";
import type { Usage } from "./usage.js";

/**
 * Operations on values, free of any SQL dialect. Unless an entry says otherwise, an operation with a NULL operand is NULL.
 * NULL is FHIRPath's empty; lists hold the items of a collection and may be NULL when it is empty.
 */
export type Operation =
  // logic, three-valued
  | "and"
  | "or"
  | "not"
  | "isNull" // never NULL
  | "isNotNull" // never NULL
  | "isTrue" // never NULL: NULL counts as false
  // comparison of equal types, by value
  | "equal"
  | "less"
  | "lessOrEqual"
  | "equalNumber" // written or computed decimals and integers, mixed
  | "lessNumber"
  | "lessOrEqualNumber"
  | "equivalentNumber" // equal after rounding to the decimals of the one that has fewer
  | "coalesce"
  // exact numbers
  | "toNumber" // text, integer or bigint to number; NULL when the text is no number
  | "numberText" // number to text without trailing zeros
  | "add"
  | "subtract"
  | "multiply"
  | "divide" // NULL on division by zero
  | "integerDivide" // truncated; NULL on division by zero
  | "modulo"
  | "negate"
  | "absolute"
  | "ceiling"
  | "floor"
  | "truncate"
  | "round" // (number, digits), half away from zero
  | "squareRoot"
  | "exponential"
  | "naturalLogarithm"
  | "logarithm" // (number, base)
  | "power"
  | "addInteger" // integer results; NULL on overflow
  | "subtractInteger"
  | "multiplyInteger"
  // text
  | "concatenate"
  | "textLength"
  | "substring" // (text, start from 0, length?)
  | "position" // (text, part): from 0, -1 when absent
  | "lastPosition"
  | "startsWith"
  | "endsWith"
  | "containsText"
  | "upper"
  | "lower"
  | "trim"
  | "replaceText" // (text, pattern, replacement), all occurrences
  | "matches" // (text, pattern): anywhere
  | "matchesFull"
  | "replaceMatches" // (text, pattern, replacement)
  | "characters" // text to list
  | "splitText"
  | "encode" // (text, format)
  | "decode" // (text, format)
  | "escapeText" // (text, target)
  | "unescapeText"
  // conversion; NULL when the text is not of that form
  | "text" // any scalar to text
  | "parseBoolean"
  | "parseInteger"
  | "parseLong"
  | "parseDecimal" // text that is a decimal, as written
  | "parseDate"
  | "parseDateTime"
  | "parseTime"
  | "dateOfDateTime" // the date part of a dateTime
  // dates and times as written; compare gives -1, 0, 1 or NULL when precision leaves it open
  | "compareTemporal"
  | "compareTime"
  | "lowBoundaryDate"
  | "highBoundaryDate"
  | "lowBoundaryDateTime"
  | "highBoundaryDateTime"
  | "lowBoundaryTime"
  | "highBoundaryTime"
  | "lowBoundaryDecimal"
  | "highBoundaryDecimal"
  | "addTemporal" // (text, number of units, unit)
  | "temporalPart" // (text, part name): integer
  // lists
  | "listLength" // never NULL: an absent list has length 0
  | "listItem" // (list, index from 0)
  | "listSlice" // (list, first index from 0, count?)
  | "onlyItem" // (list, failure): its item; the failure when it has several
  | "flatten"
  | "listConcatenate" // never NULL
  | "listOf" // items that are not NULL; never NULL
  | "listRange" // (count): 0 … count - 1
  | "listDistinct" // keeps first occurrences, in order
  | "listContains" // (list, item)
  | "listEqual" // same length and equal items in order
  | "listReverse"
  | "zipElements" // (values, what stands beside them): list of {value, element}, without those where both are NULL
  | "listJoin" // (list of text, separator); NULL for an empty list
  | "listAny" // list of booleans: true when one is true; never NULL
  | "listAll" // list of booleans: true when none is false or NULL; never NULL
  | "listAllKnown" // list of booleans: false when one is false, else NULL when one is NULL, else true
  | "listSum" // of numbers; NULL for an empty list
  | "listMinimum"
  | "listMaximum"
  // references and keys
  | "referenceKeyPath" // (reference text, resource type?): `Type/id`, NULL when it names no resource, or one of another type
  // output
  | "cast" // to the node's type; NULL when the value has no such form
  | "toJson";

/** An expression over the columns of one relation row. Types are found when the expression is bound to a source. */
export type Expr =
  | { readonly kind: "literal"; readonly value: string | number | boolean; readonly type: DataType }
  /** NULL of a type. */
  | { readonly kind: "null"; readonly type: DataType }
  /** The resource itself: the base of `field` for top-level JSON properties; it is no value. */
  | { readonly kind: "row" }
  /** A system column of the source: the hidden key, the id, the source's name. */
  | { readonly kind: "system"; readonly name: SystemColumn }
  /** A column made by a plan node. */
  | { readonly kind: "column"; readonly name: string }
  /** A variable bound by `transform` or `filter`. */
  | { readonly kind: "variable"; readonly name: string }
  /**
   * A JSON property of a struct. Absent in the source: NULL. Stored as JSON: decoded to what `usage` needs, unless `raw`, which leaves
   * whatever the source has.
   */
  | {
      readonly kind: "field";
      readonly base: Expr;
      readonly name: string;
      readonly usage: Usage;
      readonly raw?: true;
    }
  /** A value made to have exactly the shape that `usage` needs, whether it comes as JSON or as another struct. */
  | { readonly kind: "conform"; readonly base: Expr; readonly usage: Usage; readonly list: boolean }
  | {
      readonly kind: "call";
      readonly operation: Operation;
      readonly args: readonly Expr[];
      readonly type?: DataType;
    }
  /** One result per list item, NULL results included; `index` counts from 0. */
  | {
      readonly kind: "transform";
      readonly list: Expr;
      readonly variable: string;
      readonly index?: string;
      readonly body: Expr;
    }
  /** The list items for which `body` is true. */
  | {
      readonly kind: "filter";
      readonly list: Expr;
      readonly variable: string;
      readonly index?: string;
      readonly body: Expr;
    }
  | { readonly kind: "case"; readonly when: readonly (readonly [Expr, Expr])[]; readonly otherwise?: Expr }
  | { readonly kind: "struct"; readonly fields: readonly (readonly [string, Expr])[] }
  /** Stops the statement with an error that says which rule of the view the data breaks. */
  | { readonly kind: "fail"; readonly code: FailureCode; readonly subject: string };

/** Columns that every source has beside the resource's own. */
export type SystemColumn = "key" | "id" | "source";

/**
 * Rules that only data can break: more than one value where one is allowed, a tree that is too deep for `repeat`, a line of a source that
 * is no resource.
 */
export type FailureCode = "multiple-values" | "singleton-expected" | "too-deep" | "bad-line";
