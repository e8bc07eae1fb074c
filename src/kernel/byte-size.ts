const UNITS: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1000,
  MB: 1000 ** 2,
  GB: 1000 ** 3,
  TB: 1000 ** 4,
  KIB: 1024,
  MIB: 1024 ** 2,
  GIB: 1024 ** 3,
  TIB: 1024 ** 4,
};

/** Bytes from text such as `512MB`, `1.5 GiB` or `4096`; undefined for anything else. */
export function byteSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?i?b)?$/i.exec(text.trim());
  const unit = match === null ? undefined : UNITS[(match[2] ?? "B").toUpperCase()];
  return match === null || unit === undefined ? undefined : Math.floor(Number(match[1]) * unit);
}
