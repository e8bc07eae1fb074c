import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { pythonWith } from "../support/python.js";

interface Service {
  readonly profiles?: readonly string[];
  readonly image?: string;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly depends_on?: Readonly<Record<string, unknown>>;
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

const root = path.resolve(import.meta.dirname, "../..");
const python = pythonWith("yaml");

function compose(): Compose {
  const program = "import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)";
  const text = readFileSync(path.join(root, "docker-compose.yml"));
  return JSON.parse(execFileSync(python!, ["-c", program], { input: text }).toString()) as Compose;
}

describe.skipIf(python === undefined)("docker-compose.yml", () => {
  it("has a profile for each service and starts nothing without one", () => {
    const { services } = compose();
    const profiles = new Set(Object.values(services).flatMap((service) => service.profiles ?? []));
    expect([...profiles].sort()).toEqual(["hapi", "lake", "minio", "postgres", "redis"]);
    for (const service of Object.values(services)) expect(service.profiles?.length).toBeGreaterThan(0);
  });

  it("publishes ports on this machine only, and pins every image it does not build", () => {
    for (const [name, { ports = [], image = "" }] of Object.entries(compose().services)) {
      for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/);
      if (name !== "lake") expect(image).toMatch(/:\S*\d/);
    }
  });

  it("names only services and volumes that it has", () => {
    const { services, volumes } = compose();
    for (const service of Object.values(services)) {
      for (const other of Object.keys(service.depends_on ?? {})) expect(services).toHaveProperty(other);
      for (const volume of service.volumes ?? []) expect(volumes).toHaveProperty(volume.split(":")[0]!);
    }
  });
});

describe("the Dockerfile", () => {
  const lines = readFileSync(path.join(root, "Dockerfile"), "utf8").split("\n");
  const ignored = readFileSync(path.join(root, ".dockerignore"), "utf8").split("\n");

  it("runs as a user without rights to the program", () => {
    expect(lines.findLast((line) => line.startsWith("USER "))).toBe("USER node");
  });

  it("copies what exists and is not kept out of the image's context", () => {
    const copied = lines.flatMap((line) => {
      const match = /^COPY --from=build (.+) \S+$/.exec(line);
      return match === null ? [] : match[1]!.split(" ").map((file) => file.replace("/build/", ""));
    });
    expect(copied).toContain("dist");
    for (const file of copied) {
      const [top] = file.split("/");
      if (top === "dist" || top === "node_modules") continue;
      expect(existsSync(path.join(root, file))).toBe(true);
      expect(ignored).toContain(`!${top}`);
    }
  });
});
