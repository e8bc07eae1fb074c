import { assertNever, type ErrorKind } from "#kernel";

/** Exit codes of every command; documented in docs/cli.md. */
export const EXIT = {
  ok: 0,
  internal: 1,
  invalidInput: 2,
  notFound: 3,
  conflict: 4,
  unavailable: 5,
  corruptData: 6,
  unsupported: 7,
  /** The command finished, but part of its input was refused (quarantine) or a check failed. */
  incomplete: 8,
  /** Ended by SIGINT (128 + 2). */
  interrupted: 130,
} as const;

/** The exit code for an error of this kind. */
export function exitCodeOf(kind: ErrorKind): number {
  switch (kind) {
    case "invalid-input":
      return EXIT.invalidInput;
    case "unsupported":
      return EXIT.unsupported;
    case "not-found":
      return EXIT.notFound;
    case "conflict":
      return EXIT.conflict;
    case "unavailable":
      return EXIT.unavailable;
    case "corrupt-data":
      return EXIT.corruptData;
    case "internal":
      return EXIT.internal;
    default:
      return assertNever(kind, "error kind");
  }
}
