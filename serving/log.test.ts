import { describe, expect, it } from "vitest";
import { createLogger, logLevel } from "./log.js";

describe("A log", () => {
  it("blanks fields that could hold secrets, and cuts what is too long to be a fact", () => {
    const lines: string[] = [];
    const log = createLogger({ level: "info", destination: { write: (line) => void lines.push(line) } });
    const names = ["authorization", "token", "apiKey", "secret", "sql", "url", "body", "value", "cursor"];
    log.warn("something", Object.fromEntries(names.map((name) => [name, "canary"])));
    log.error("something", { code: "x".repeat(5000) });
    expect(lines[0]).not.toContain("canary");
    expect(lines[0]!.match(/\[redacted\]/g)).toHaveLength(names.length);
    expect(lines[1]!.length).toBeLessThan(400);
  });

  it("has the level that a word names, and refuses other words with the nearest", () => {
    expect(logLevel(undefined)).toBe("warn");
    expect(logLevel("debug")).toBe("info");
    expect(logLevel("INFO")).toBe("info");
    expect(() => logLevel("wran")).toThrow("Did you mean 'warn'?");
  });
});
