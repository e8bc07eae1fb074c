/** An error with its stack and its causes, for whoever asked by FHIR_LAKE_DEBUG=1. */
export function debugText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? "" : `\ncaused by: ${debugText(error.cause)}`;
  return `${error.stack ?? error.message}${cause}`;
}
