import { z } from "zod";
import { isDuration, isSize } from "./units.js";

function isPlainUrl(text: string): boolean {
  try {
    const url = new URL(text);
    return ["http:", "https:"].includes(url.protocol) && url.username === "" && url.password === "";
  } catch {
    return false;
  }
}

/** An address without credentials in it. */
export const url = z.string().refine(isPlainUrl, {
  error: "must be an http or https address without user and password in it (give those as secrets)",
});

/** A span of time; read by `durationMs`. */
export const duration = z
  .string()
  .refine(isDuration, { error: "must be a duration such as 30s, 15m, 24h or 7d" })
  .meta({ description: "a duration such as 30s, 15m, 24h or 7d" });

/** A number of bytes; read by `sizeBytes`. */
export const size = z
  .string()
  .refine(isSize, { error: "must be a size such as 512MB or 2GiB" })
  .meta({ description: "a size such as 512MB or 2GiB" });
