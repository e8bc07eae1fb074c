import { LakeError } from "#kernel";

/** The object does not exist. */
export function notFound(key: string, cause?: unknown): LakeError {
  return new LakeError("not-found", "storage/not-found", `The lake has no object '${key}'.`, {
    details: { key },
    cause,
  });
}

/** A file system failure as ours; `ENOSPC` and permission problems say what to do. What is ours already stays as it is. */
export function storageFailure(action: string, place: string, cause: unknown): LakeError {
  if (cause instanceof LakeError) return cause;
  const code = (cause as NodeJS.ErrnoException | undefined)?.code ?? "unknown";
  const hints: Record<string, string> = {
    ENOSPC: "the disk is full; free space and run the command again, nothing committed was changed",
    EDQUOT: "the disk quota is used up; free space and run the command again, nothing committed was changed",
    EACCES: "permission denied; check the owner and mode of the lake folder",
    EPERM: "permission denied; check the owner and mode of the lake folder",
    EROFS: "the file system is read-only",
    EMFILE: "too many open files; raise the limit (ulimit -n)",
  };
  return new LakeError(
    "unavailable",
    code === "ENOSPC" || code === "EDQUOT" ? "storage/disk-full" : "storage/io",
    `Could not ${action} '${place}': ${hints[code] ?? `the operating system says ${code}`}.`,
    { details: { code }, cause, retryable: code === "ENOSPC" || code === "EMFILE" },
  );
}
