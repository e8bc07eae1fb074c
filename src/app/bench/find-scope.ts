import { LakeError } from "#kernel";
import type { Asker } from "./asker.js";
import type { Scope } from "./question.js";

interface Keys {
  readonly rows: readonly { readonly patient_key: string }[];
}

const MOST_PATIENTS = 20;

async function keys(lake: Asker, parameters: Readonly<Record<string, string>>): Promise<string[]> {
  const query = new URLSearchParams({ ...parameters, select: "patient_key", envelope: "1" });
  const { rows } = (await lake.get(`views/patient_demographics.json?${query.toString()}`)) as Keys;
  return rows.map((row) => row.patient_key);
}

/**
 * The source whose patients a lake holds, and some of them for the questions about one patient. With several sources `wanted` has to name
 * one. Errors: `bench/no-patients`, `bench/several-sources`.
 */
export async function findScope(
  lake: Asker,
  wanted: string | undefined,
  window: Pick<Scope, "from" | "to">,
): Promise<{ readonly source: string; readonly scope: Scope }> {
  const filter = wanted === undefined ? {} : { patient_key: `like.${wanted}/*` };
  const found = await keys(lake, { limit: String(MOST_PATIENTS), ...filter });
  const source = found[0]?.split("/")[0];
  if (source === undefined) {
    throw new LakeError(
      "not-found",
      "bench/no-patients",
      wanted === undefined
        ? "The lake has no patients to ask about."
        : `The lake has no patients of the source '${wanted}'.`,
    );
  }
  const others =
    wanted === undefined ? await keys(lake, { limit: "1", patient_key: `not.like.${source}/*` }) : [];
  if (others[0] !== undefined) {
    throw new LakeError(
      "invalid-input",
      "bench/several-sources",
      `The lake holds several sources ('${source}', '${others[0].split("/")[0]!}'); say with --source which one the FHIR server is.`,
    );
  }
  return { source, scope: { ...window, patients: found.map((key) => key.split("/").slice(2).join("/")) } };
}
