import { type LoadedConfig, readSecret, type Secret } from "#config";
import type { Sender } from "#ingestion";

/** Who may send notifications, by source. Secrets are read here. Errors: `config/missing-secret`. */
export function configuredSenders(
  { config, folder }: LoadedConfig,
  environment: NodeJS.ProcessEnv,
): Map<string, Sender> {
  const senders = new Map<string, Sender>();
  for (const [name, { notifications, order }] of Object.entries(config.sources)) {
    const { path, header, signature } = notifications ?? {};
    // A polled source sends nothing.
    if (path === undefined) continue;
    const read = (secrets: readonly Secret[], field: string): string[] =>
      secrets.map((secret, index) =>
        readSecret(secret, `sources.${name}.notifications.${field}[${index}]`, { environment, folder }),
      );
    senders.set(name, {
      source: name,
      policy: order,
      pathSecrets: read(path, "path"),
      ...(header === undefined
        ? {}
        : { header: { name: header.name.toLowerCase(), values: read(header.values, "header.values") } }),
      ...(signature === undefined
        ? {}
        : {
            signature: {
              header: signature.header.toLowerCase(),
              keys: read(signature.keys, "signature.keys"),
            },
          }),
    });
  }
  return senders;
}
