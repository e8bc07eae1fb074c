import { ucum } from "@atomic-ehr/ucum";

/** The part of the library that is used; its own types do not resolve under Node's rules for modules. */
const library = ucum as {
  convert(value: number, from: string, to: string): number;
  validate(unit: string): { readonly valid: boolean };
};

/** `to = factor * from + offset`. */
export interface Linear {
  readonly factor: number;
  readonly offset: number;
}

/** Significant digits that a converted value keeps, so that 650 mg/dL are 6.5 g/L and not a hair less. */
export const CONVERTED_DIGITS = 10;

/** A converted value as it is compared and shown. */
export function roundConverted(value: number): number {
  return Number(value.toExponential(CONVERTED_DIGITS - 1));
}

/** Braces are for people: UCUM gives them no meaning, and one that stands alone is a 1. */
function withoutAnnotations(unit: string): string {
  const plain = unit.replaceAll(/\/\{[^{}]*\}/g, "").replaceAll(/\{[^{}]*\}/g, "");
  return plain === "" ? "1" : plain;
}

/** Amount of substance: to UCUM a mole is a plain number, to a clinician 48 mmol/mol of HbA1c are not 4.8 %. */
const AMOUNT = /(?:^|[./(\d])(?:[YZEPTGMkhdcmunpfazy]|da)?(?:mol|eq|osm|kat|U)(?![A-Za-z_[])/;

function convertOnce(value: number, from: string, to: string): number | undefined {
  try {
    const converted = library.convert(value, from, to);
    return Number.isFinite(converted) ? converted : undefined;
  } catch {
    return undefined;
  }
}

/**
 * How a UCUM unit becomes another, or undefined when it does not: another dimension, no UCUM, a scale that is not linear such as pH, or
 * an amount of substance on one side only (mass and moles need the analyte; see {@link Conversion}).
 */
export function conversion(fromUnit: string, toUnit: string): Linear | undefined {
  if (fromUnit === toUnit) return { factor: 1, offset: 0 };
  if (fromUnit === "" || toUnit === "") return undefined;
  const [from, to] = [withoutAnnotations(fromUnit), withoutAnnotations(toUnit)];
  if (from === to) return { factor: 1, offset: 0 };
  if (AMOUNT.test(from) !== AMOUNT.test(to)) return undefined;
  const offset = convertOnce(0, from, to);
  // Far from zero, where the rounding of the library weighs least.
  const far = convertOnce(1_000_000, from, to);
  const half = convertOnce(500_000, from, to);
  if (offset === undefined || far === undefined || half === undefined) return undefined;
  const factor = (far - offset) / 1_000_000;
  const straight = Math.abs((half - offset) / 500_000 - factor) <= 1e-9 * Math.abs(factor);
  return straight && factor > 0 ? { factor, offset } : undefined;
}

/** True when the text is a UCUM unit. */
export function isUnit(text: string): boolean {
  try {
    return text !== "" && text.trim() === text && library.validate(withoutAnnotations(text)).valid;
  } catch {
    return false;
  }
}
