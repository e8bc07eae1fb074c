import { execFileSync } from "node:child_process";

/** The program that runs R scripts; undefined when this machine has none. With REQUIRE_SERVICES=1 that is an error. */
export function rscript(): string | undefined {
  try {
    execFileSync("Rscript", ["--version"], { stdio: "ignore" });
    return "Rscript";
  } catch (error) {
    if (process.env["REQUIRE_SERVICES"] !== "1") return undefined;
    throw new Error("R is required: install it, as .ci/services does.", { cause: error });
  }
}
