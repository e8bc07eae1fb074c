/**
 * Pieces of exact JSON text. Resources are written as text, never through `JSON.stringify` of an object, so that decimals
 * keep the digits they were reported with ("6.50") and the cost stays near that of copying the characters.
 */

// Everything printable in ASCII except the quote and the backslash may stand in a JSON string as it is.
const PLAIN = /^[ !#-[\]-~]*$/;

/** A JSON string literal, quotes included. */
export function jsonString(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text);
}

/**
 * A decimal literal with exactly `digits` fraction digits, trailing zeros kept: (6.5, 2) gives `6.50`.
 * Negative zero is written without its sign.
 */
export function decimalText(value: number, digits: number): string {
  const text = value.toFixed(digits);
  return text.startsWith("-") && Number(text) === 0 ? text.slice(1) : text;
}

/** Money of whole cents as a decimal literal with two fraction digits. */
export function moneyText(cents: number): string {
  return decimalText(cents / 100, 2);
}

/** A Reference: `{"reference":"Type/id"}`, with a display when one is given. */
export function referenceJson(type: string, id: string, display?: string): string {
  return display === undefined
    ? `{"reference":"${type}/${id}"}`
    : `{"reference":"${type}/${id}","display":${jsonString(display)}}`;
}

/** A Period from two literals that need no escapes; the end may be open. */
export function periodJson(start: string, end: string | undefined): string {
  return end === undefined ? `{"start":"${start}"}` : `{"start":"${start}","end":"${end}"}`;
}
