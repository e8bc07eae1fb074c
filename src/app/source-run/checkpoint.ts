const [wanted = "", times = "1"] = (process.env["FHIR_LAKE_CRASH_AT"] ?? "").split("#");
let passed = 0;

/**
 * Names a point right after something became durable. Fault tests end the process there, by `FHIR_LAKE_CRASH_AT=label#k` in the environment
 * (the k-th time that point is passed); otherwise it does nothing.
 */
export function checkpoint(label: string): void {
  if (label === wanted && ++passed === Number(times)) process.kill(process.pid, "SIGKILL");
}
