import { formatReport, type Lake, orphans, pins, recordedErasures, spaceAt } from "#lake";

/** One finding about a lake. */
export interface HealthFinding {
  readonly check: string;
  readonly state: "ok" | "warning" | "problem";
  readonly text: string;
}

const GIB = 1024 ** 3;

/** Space on the disk that a lake writes to. */
export async function spaceFinding(folder: string): Promise<HealthFinding> {
  const space = await spaceAt(folder);
  if (space === undefined) return { check: "free space", state: "warning", text: "the system does not tell" };
  const gib = (bytes: number): string => `${(bytes / GIB).toFixed(1)} GiB`;
  const text = `${gib(space.freeBytes)} of ${gib(space.totalBytes)}, ${gib(space.reserveBytes)} kept in reserve`;
  if (space.freeBytes < space.reserveBytes) {
    return {
      check: "free space",
      state: "problem",
      text: `${text}; nothing more is written until space is freed`,
    };
  }
  const tight = space.freeBytes < 2 * GIB;
  return {
    check: "free space",
    state: tight ? "warning" : "ok",
    text: tight ? `${text}; an ingestion needs about twice its input` : text,
  };
}

async function pinFinding(lake: Lake): Promise<HealthFinding> {
  const found = await pins(lake);
  const ids = new Set(await lake.history.ids());
  const broken = found.filter((pin) => !ids.has(pin.snapshot)).map((pin) => pin.name);
  if (broken.length === 0) return { check: "pins", state: "ok", text: `${found.length} snapshots pinned` };
  return {
    check: "pins",
    state: "warning",
    text: `${broken.join(", ")}: the snapshot is gone (fhir-lake unpin takes the name off)`,
  };
}

async function erasureFinding(lake: Lake): Promise<HealthFinding> {
  const found = await recordedErasures(lake);
  const open = found.filter(({ outcome }) => outcome === undefined).length;
  return open === 0
    ? { check: "erasures", state: "ok", text: `${found.length} complete` }
    : { check: "erasures", state: "problem", text: `${open} unfinished; run fhir-lake erase --resume` };
}

async function orphanFinding(lake: Lake): Promise<HealthFinding> {
  const { files, bytes } = await orphans(lake);
  const text = `${files} files (${bytes} bytes) that no snapshot needs`;
  return {
    check: "orphans",
    state: "ok",
    text: files === 0 ? text : `${text}; fhir-lake vacuum removes them`,
  };
}

async function formatFinding(lake: Lake): Promise<HealthFinding> {
  const { head, current } = await formatReport(lake);
  return head === current
    ? { check: "format", state: "ok", text: `${head}` }
    : { check: "format", state: "warning", text: `${head}; fhir-lake migrate brings it to ${current}` };
}

/** What an operator should know of a lake that has data. */
export async function lakeHealth(lake: Lake): Promise<HealthFinding[]> {
  return [
    await formatFinding(lake),
    await pinFinding(lake),
    await orphanFinding(lake),
    await erasureFinding(lake),
  ];
}
