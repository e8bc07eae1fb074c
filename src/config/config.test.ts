import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { isLakeError } from "#kernel";
import { effectiveConfig } from "./effective.js";
import { configJsonSchema } from "./json-schema.js";
import { findSource, loadConfig, parseConfig } from "./load.js";
import { readSecret } from "./secret.js";
import { durationMs, sizeBytes } from "./units.js";

const hospital = { url: "https://fhir.example/r4", types: ["Patient"] };

function problems(value: unknown): string {
  try {
    parseConfig(value, "c.json");
    return "";
  } catch (error) {
    if (!isLakeError(error, "config/invalid")) throw error;
    return error.message;
  }
}

describe("the configuration", () => {
  it("fills in every default", () => {
    const config = parseConfig({ sources: { hospital } }, "c.json");
    expect(config.sources["hospital"]).toMatchObject({
      kind: "auto",
      level: "system",
      auth: { kind: "none" },
      order: "time",
      overlap: "10m",
      deletes: { policy: "auto", cap: 0.2 },
      completeness: { sample: 20 },
    });
    expect(config.retention.landing).toBe("0ms");
  });

  it("names the path of an unknown setting and the nearest known one", () => {
    expect(problems({ sorces: {} })).toContain("sorces: there is no such setting. Did you mean 'sources'?");
    expect(problems({ sources: { hospital: { ...hospital, shedule: {} } } })).toContain(
      "sources.hospital.shedule: there is no such setting. Did you mean 'schedule'?",
    );
    const auth = { kind: "bearer", token: { env: "T" }, tokn: 1 };
    expect(problems({ sources: { hospital: { ...hospital, auth } } })).toContain(
      "sources.hospital.auth.tokn",
    );
  });

  it("refuses plain text where a secret belongs and never repeats it", () => {
    const secret = "hunter2-canary";
    const cases = [
      { auth: { kind: "bearer", token: secret } },
      { auth: { kind: "basic", user: "u", password: secret } },
      { auth: { kind: "smart-backend", clientId: "c", keyId: "k", algorithm: "RS384", privateKey: secret } },
      { headers: { "X-Api-Key": secret } },
      { headers: { Authorization: `Bearer ${secret}` } },
      { url: `https://user:${secret}@fhir.example/r4` },
      { proxy: `http://user:${secret}@proxy:3128` },
      { auth: { kind: "bearer", token: { value: secret } } },
    ];
    for (const wrong of cases) {
      const message = problems({ sources: { hospital: { ...hospital, ...wrong } } });
      expect(message).toContain("sources.hospital.");
      expect(message).not.toContain(secret);
    }
    const webhook = problems({ webhooks: [{ url: "https://x.example", secret }] });
    expect(webhook).toContain("webhooks[0].secret: a secret stands in the environment or a file");
    expect(webhook).not.toContain(secret);
  });

  it("checks schedules, zones, durations, sizes and names of sources", () => {
    const wrong = (more: object): string => problems({ sources: { hospital: { ...hospital, ...more } } });
    expect(wrong({ schedule: { cron: "61 2 * * *" } })).toContain(
      "sources.hospital.schedule.cron: is not a cron",
    );
    expect(wrong({ schedule: { cron: "* * * * * *" } })).toContain("five fields");
    expect(wrong({ schedule: { cron: "0 2 * * *", timeZone: "Europe/Berlim" } })).toContain("time zone");
    expect(wrong({ overlap: "ten minutes" })).toContain("duration");
    expect(wrong({ level: "everything" })).toContain('"system", "patient"');
    expect(problems({ memory: "lots" })).toContain("memory: must be a size");
    expect(problems({ sources: { "../x": hospital } })).toContain("not allowed");
  });

  it("refuses a lifetime of Subscriptions that could end before a check renews them", () => {
    const wrong = (times: object): string => {
      const subscribe = { endpoint: "https://lake.example", ...times };
      const notifications = { path: [{ env: "PATH_SECRET" }], subscribe };
      return problems({ sources: { hospital: { ...hospital, notifications } } });
    };
    expect(wrong({ lifetime: "2m" })).toContain(
      "sources.hospital.notifications.subscribe.lifetime: must be at least 4 times checkEvery (5m)",
    );
    expect(wrong({ lifetime: "7s", checkEvery: "2s" })).toContain("must be at least 4 times checkEvery (2s)");
    expect(wrong({ lifetime: "20m" })).toBe("");
    expect(wrong({ lifetime: "2m", checkEvery: "30s" })).toBe("");
    expect(wrong({ checkEvery: "1d" })).toBe("");
    expect(wrong({ lifetime: "soon" })).toContain("subscribe.lifetime: must be a duration");
  });

  it("prints effective values with secrets masked", () => {
    const auth = { kind: "bearer", token: { env: "TOKEN" } };
    const config = parseConfig(
      { sources: { hospital: { ...hospital, auth, headers: { Cookie: { env: "NO" } } } } },
      "c",
    );
    const shown = JSON.stringify(effectiveConfig(config, { environment: { TOKEN: "canary" }, folder: "/" }));
    expect(shown).toContain('"token":{"env":"TOKEN","value":"***"}');
    expect(shown).toContain('"Cookie":{"env":"NO","value":"(not set)"}');
    expect(shown).not.toContain("canary");
  });

  it("reads secrets from files beside it and says which reference is empty", () => {
    const folder = mkdtempSync(path.join(tmpdir(), "fhir-lake-config-"));
    writeFileSync(path.join(folder, "token"), "s3cret\n");
    const context = { environment: {}, folder };
    expect(readSecret({ file: "token" }, "sources.a.auth.token", context)).toBe("s3cret");
    expect(() => readSecret({ env: "NOPE" }, "sources.a.auth.token", context)).toThrow(/environment's NOPE/);
  });

  it("is found in the folder, by name or by the environment, and may be absent", () => {
    const folder = mkdtempSync(path.join(tmpdir(), "fhir-lake-config-"));
    expect(loadConfig({ environment: {}, folder })).toMatchObject({
      file: undefined,
      config: { sources: {} },
    });
    expect(() => loadConfig({ file: "no.json", environment: {}, folder })).toThrow(/no configuration file/);
    writeFileSync(path.join(folder, "fhir-lake.config.json"), JSON.stringify({ sources: { hospital } }));
    const loaded = loadConfig({ environment: {}, folder });
    expect(findSource(loaded, "hospital").url).toBe(hospital.url);
    expect(() => findSource(loaded, "hopsital")).toThrow(/Did you mean 'hospital'/);
    writeFileSync(path.join(folder, "bad.json"), '{"a": 1,\n"token": "canary" oops}');
    const bad = { file: "bad.json", environment: {}, folder };
    expect(() => loadConfig(bad)).toThrow(/is not JSON near line 2/);
    expect(() => loadConfig(bad)).not.toThrow(/canary/);
  });

  it("has a JSON Schema for editors that tells names and allows defaults to be left out", () => {
    const schema = configJsonSchema() as { properties: Record<string, unknown>; required?: string[] };
    expect(Object.keys(schema.properties)).toContain("sources");
    expect(schema.required ?? []).not.toContain("sources");
  });

  it("counts durations and sizes", () => {
    expect(durationMs("90s")).toBe(90_000);
    expect(durationMs("7d")).toBe(604_800_000);
    expect(sizeBytes("1.5GiB")).toBe(1_610_612_736);
  });
});
