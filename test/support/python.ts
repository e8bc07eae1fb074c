import { execFileSync } from "node:child_process";

const found = new Map<string, string | undefined>();

function imports(python: string, modules: readonly string[]): boolean {
  try {
    execFileSync(python, ["-c", `import ${modules.join(", ")}`], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/**
 * A Python that has all these packages: FHIR_LAKE_PYTHON (`.ci/run` sets it), else `python3`. Undefined when neither has them; with
 * REQUIRE_SERVICES=1 that is an error.
 */
export function pythonWith(...modules: string[]): string | undefined {
  const id = modules.join(",");
  if (!found.has(id)) {
    const candidates = [process.env["FHIR_LAKE_PYTHON"], "python3"];
    found.set(
      id,
      candidates.find((python) => python !== undefined && python !== "" && imports(python, modules)),
    );
  }
  const python = found.get(id);
  if (python === undefined && process.env["REQUIRE_SERVICES"] === "1") {
    throw new Error(
      `Python packages are required: pip install -r .ci/python-requirements.txt and set FHIR_LAKE_PYTHON (${modules.join(", ")}).`,
    );
  }
  return python;
}
