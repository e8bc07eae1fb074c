import { utcInstantText } from "../calendar.js";
import { batchHours } from "../era.js";
import type { FileSummary, OutputFolder } from "../output.js";
import { Random } from "../random.js";
import type { RenderOptions } from "../render/resource.js";
import { type TruthRow, truthHeader, truthLine } from "../truth.js";
import type { Deletion, NightChanges } from "./night.js";

/** What one batch holds. */
export interface BatchTotals {
  readonly batch: number;
  readonly folder: string;
  /** The hours that the batch covers: stored from `from` (included) to `to` (not included). */
  readonly from: string;
  readonly to: string;
  readonly patientsTouched: number;
  /** Resources that are new or changed, each once. */
  readonly upserts: number;
  readonly deletions: number;
  /** Lines that must change nothing: resources sent again, and versions that are older than one in the same batch. */
  readonly echoes: number;
  readonly files: readonly FileSummary[];
}

/** Entries of one Bundle of deletions. */
const DELETIONS_PER_BUNDLE = 20;

/** One line of `deleted.ndjson`: a transaction Bundle of DELETE requests (FHIR Bulk Data, deleted resources). */
export function deletionBundle(
  id: string,
  atMs: number,
  deletions: readonly Deletion[],
  options: RenderOptions,
): string {
  const at = utcInstantText(atMs);
  const meta = options.meta ? `,"meta":{"lastUpdated":"${at}"}` : "";
  const entries = deletions.map(
    ({ type, id: target }) => `{"request":{"method":"DELETE","url":"${type}/${target}"}}`,
  );
  return `{"resourceType":"Bundle","id":"${id}"${meta},"type":"transaction","timestamp":"${at}","entry":[${entries.join(",")}]}`;
}

/** The index of people who are new in a batch: one in a thousand of the population, at least one. */
export function newcomers(patients: number, batch: number, firstIndex: number): readonly number[] {
  return Array.from({ length: Math.ceil(patients / 1000) }, (_, i) => firstIndex + batch * 20_000 + i);
}

/** The folder `batch-001`, `batch-002`, ...: changed and new resources by type, deletions, and the truth afterwards. */
export class BatchFolder {
  readonly batch: number;
  private readonly output: OutputFolder;
  private readonly options: RenderOptions;
  private readonly ids: Random;
  private readonly name: string;
  private readonly waiting: Deletion[] = [];
  private patients = 0;
  private upserts = 0;
  private deletions = 0;
  private echoes = 0;

  private constructor(output: OutputFolder, batch: number, options: RenderOptions) {
    this.output = output;
    this.batch = batch;
    this.options = options;
    this.ids = Random.stream(batch, 0, "deletion-bundle");
    this.name = `batch-${String(batch).padStart(3, "0")}`;
  }

  /** Makes the folder and starts its truth table. */
  static async open(output: OutputFolder, batch: number, options: RenderOptions): Promise<BatchFolder> {
    const folder = new BatchFolder(output, batch, options);
    await output.folder(folder.name);
    await output.add(`${folder.name}/truth.csv`, truthHeader());
    return folder;
  }

  /** Adds what the batch says about one patient. Echoes come after the news, as a late delivery would. */
  async add(changes: NightChanges, truth: TruthRow): Promise<void> {
    const { upserts, deletions, echoes } = changes;
    if (upserts.length + deletions.length + echoes.length === 0) return;
    this.patients++;
    this.upserts += upserts.length;
    this.echoes += echoes.length;
    this.deletions += deletions.length;
    for (const { type, text } of [...upserts, ...echoes]) {
      const full = this.output.add(`${this.name}/${type}.ndjson`, text);
      if (full !== undefined) await full;
    }
    this.waiting.push(...deletions);
    if (this.waiting.length >= DELETIONS_PER_BUNDLE) await this.writeDeletions();
    await this.output.add(`${this.name}/truth.csv`, truthLine(truth));
  }

  private async writeDeletions(): Promise<void> {
    if (this.waiting.length === 0) return;
    const { from, to } = batchHours(this.batch);
    const atMs = this.ids.whole(from * 1000, to * 1000 - 1);
    const line = deletionBundle(this.ids.uuid(), atMs, this.waiting, this.options);
    this.waiting.length = 0;
    await this.output.add(`${this.name}/deleted.ndjson`, line);
  }

  /** Writes what is still held back. Call it once, when all patients are told. */
  async finish(): Promise<void> {
    await this.writeDeletions();
  }

  /** What the batch holds, given the summaries of all files. */
  totals(files: readonly FileSummary[]): BatchTotals {
    const { from, to } = batchHours(this.batch);
    return {
      batch: this.batch,
      folder: this.name,
      from: utcInstantText(from * 1000),
      to: utcInstantText(to * 1000),
      patientsTouched: this.patients,
      upserts: this.upserts,
      deletions: this.deletions,
      echoes: this.echoes,
      files: files.filter((file) => file.path.startsWith(`${this.name}/`)),
    };
  }
}
