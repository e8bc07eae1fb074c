import { readFileSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { missingSecret } from "./errors.js";

const REFUSED = 'a secret stands in the environment or a file: write {"env": "NAME"} or {"file": "path"}';

/** Where a secret is read from at the moment it is used. The configuration itself never holds one. */
export const secretSchema = z
  .union(
    [
      z.strictObject({ env: z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/) }),
      z.strictObject({ file: z.string().min(1) }),
    ],
    { error: REFUSED },
  )
  .meta({ id: "Secret", description: REFUSED });

/** A reference to a secret. */
export type Secret = z.infer<typeof secretSchema>;

/** True for a value that is a reference to a secret. */
export function isSecret(value: unknown): value is Secret {
  return secretSchema.safeParse(value).success;
}

/** What references are resolved against. */
export interface SecretContext {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Relative files are below this folder. */
  readonly folder: string;
}

/** How a reference is shown to people. */
export function secretName(secret: Secret): string {
  return "env" in secret ? `the environment's ${secret.env}` : `the file ${secret.file}`;
}

function look(secret: Secret, { environment, folder }: SecretContext): string {
  if ("env" in secret) return environment[secret.env] ?? "";
  return readFileSync(path.resolve(folder, secret.file), "utf8").trim();
}

/** The secret itself, without white space around it. `where` names its place in the configuration. Errors: `config/missing-secret`. */
export function readSecret(secret: Secret, where: string, context: SecretContext): string {
  let text: string;
  try {
    text = look(secret, context);
  } catch (error) {
    throw missingSecret(where, secretName(secret), error);
  }
  if (text === "") throw missingSecret(where, secretName(secret));
  return text;
}

/** Whether the secret can be read now. */
export function hasSecret(secret: Secret, context: SecretContext): boolean {
  try {
    return look(secret, context) !== "";
  } catch {
    return false;
  }
}
