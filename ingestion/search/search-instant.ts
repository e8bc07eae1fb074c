import { parseInstant } from "#landing";

/** Milliseconds since the epoch of a FHIR instant, later digits cut off; undefined when the text is not one. */
export function instantMs(text: string | undefined): number | undefined {
  const instant = text === undefined ? undefined : parseInstant(text);
  return instant && instant.seconds * 1000 + Math.floor(instant.nanos / 1e6);
}

/** A FHIR instant in UTC with milliseconds: servers disagree about offsets and longer fractions in search parameters. */
export function instantText(ms: number): string {
  return new Date(ms).toISOString();
}

/** The whole second at or before `ms`. Ends of windows are whole seconds, so that servers that store seconds agree on them. */
export function floorSecond(ms: number): number {
  return Math.floor(ms / 1000) * 1000;
}
