import type { Chart } from "../chart.js";
import type { Random } from "../random.js";
import { IMAGED, IMPLANTED } from "../table/imaging.js";

/** The share of imaging procedures whose pictures are in the archive. */
const ARCHIVED_SHARE = 0.12;

/** Tells the images and implants that procedures left behind; `from` is the first procedure to look at. */
export function tellImaging(chart: Chart, random: Random, from = 0): void {
  for (const procedure of chart.procedures.slice(from)) {
    if (procedure.status !== "completed") continue;
    const { encounter } = procedure;
    const kind = IMAGED.get(procedure.code.code);
    if (kind !== undefined && random.chance(ARCHIVED_SHARE)) {
      const fact = chart.newFact(procedure.end);
      chart.images.push({ ...fact, kind, encounter, startedAt: procedure.start, number: random.digits(8) });
    }
    const type = IMPLANTED.get(procedure.code.code);
    if (type !== undefined && random.chance(0.5)) {
      const fact = chart.newFact(procedure.end);
      chart.devices.push({ ...fact, type, implantedAt: procedure.start, serial: random.digits(11) });
    }
  }
}
