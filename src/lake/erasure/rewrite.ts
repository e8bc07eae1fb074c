import type { Connection } from "#duckdb";
import { quoteLiteral } from "#duckdb";
import type { Lake } from "../lake.js";
import type { FileWriter } from "../publish.js";
import { currentVersions, viewRows } from "../relation.js";
import type {
  FileRef,
  Snapshot,
  SnapshotChange,
  TableLayer,
  TableState,
  ViewLayer,
  ViewState,
} from "../snapshot.js";
import { keyRelation } from "./mention-sql.js";
import type { ErasurePlan } from "./plan.js";

/** Writes the files of one snapshot anew without what an erasure takes out. */
export class Rewriter {
  private readonly lake: Lake;
  private readonly connection: Connection;
  private readonly writer: FileWriter;
  private readonly plan: ErasurePlan;
  private readonly done = new Map<string, FileRef | undefined>();

  constructor(lake: Lake, connection: Connection, writer: FileWriter, plan: ErasurePlan) {
    this.lake = lake;
    this.connection = connection;
    this.writer = writer;
    this.plan = plan;
  }

  /** Tables, views and counts after the erasure; `removed` counts the resources that go, by type. */
  async change(
    head: Snapshot,
  ): Promise<{ change: Pick<SnapshotChange, "tables" | "views">; removed: Record<string, number> }> {
    const tables: Record<string, TableState> = {};
    const removed: Record<string, number> = {};
    for (const [type, table] of Object.entries(head.tables)) {
      const next = await this.table(type, table, removed);
      if (next !== undefined) tables[type] = next;
    }
    const views: Record<string, ViewState> = {};
    for (const [name, view] of Object.entries(head.views))
      views[name] = await this.view(name, view, head, tables);
    return { change: { tables, views }, removed };
  }

  private async count(select: string): Promise<number> {
    const [row] = await this.connection.rows<{ n: string }>(`SELECT count(*) AS n FROM ${select}`);
    return Number(row?.n ?? 0);
  }

  private async table(
    type: string,
    table: TableState,
    removed: Record<string, number>,
  ): Promise<TableState | undefined> {
    const affected = table.layers.some((layer) => layer.files.some(({ key }) => this.plan.files.has(key)));
    if (!affected) return table;
    const current = `(SELECT * FROM (${await currentVersions(this.lake, table)}) SEMI JOIN ${keyRelation(this.plan.keys)} USING (_lake_key))`;
    const live = await this.count(`${current} WHERE NOT _lake_deleted`);
    removed[type] = await this.count(current);
    const layers: TableLayer[] = [];
    for (const layer of table.layers) {
      const files: FileRef[] = [];
      for (const file of layer.files) {
        const kept = await this.file(file, `resources/${type}`);
        if (kept !== undefined) files.push(kept);
      }
      if (files.length > 0) layers.push({ ...layer, files, rows: files.reduce((sum, f) => sum + f.rows, 0) });
    }
    if (layers.length === 0) return undefined;
    return {
      ...table,
      revision: table.revision + 1,
      resourceCount: table.resourceCount - live,
      layers,
    };
  }

  private async file(file: FileRef, folder: string): Promise<FileRef | undefined> {
    if (!this.plan.files.has(file.key)) return file;
    if (this.done.has(file.key)) return this.done.get(file.key);
    const [path] = await this.lake.paths([file]);
    const single = this.plan.rows.get(file.key) ?? [];
    const values = single.map(({ key, order }) => `(${quoteLiteral(key)}, ${quoteLiteral(order)})`);
    const rows =
      values.length === 0
        ? ""
        : ` ANTI JOIN (SELECT key::UUID AS _lake_key, ord AS _lake_order FROM (VALUES ${values.join(", ")}) r(key, ord)) USING (_lake_key, _lake_order)`;
    // Rows of the file keep their order: it is what makes later reads skip row groups.
    const written = await this.writer.parquet(
      this.connection,
      folder,
      `SELECT * EXCLUDE (file_row_number) FROM read_parquet(${quoteLiteral(path!)}, file_row_number = true, hive_partitioning = false) ANTI JOIN ${keyRelation(this.plan.keys)} USING (_lake_key)${rows} ORDER BY file_row_number`,
    );
    this.done.set(file.key, written);
    return written;
  }

  private async view(
    name: string,
    view: ViewState,
    head: Snapshot,
    tables: Readonly<Record<string, TableState>>,
  ): Promise<ViewState> {
    const { failure } = view;
    const table = tables[view.resource];
    if (table === undefined && head.tables[view.resource] !== undefined) {
      const { failure: _, ...rest } = view;
      return { ...rest, state: view.state === "building" ? "building" : "ready", rowCount: 0, layers: [] };
    }
    const renewed =
      failure !== undefined &&
      table !== undefined &&
      failure.revision === head.tables[view.resource]?.revision
        ? { ...view, failure: { ...failure, revision: table.revision } }
        : view;
    const own = view.layers.flatMap((layer) => [...layer.files, ...layer.replaces]);
    if (!own.some(({ key }) => this.plan.files.has(key))) return renewed;
    return this.visibleRows(name, renewed);
  }

  /** The view's visible rows as one base layer: hidden rows of earlier versions go with it. */
  private async visibleRows(name: string, view: ViewState): Promise<ViewState> {
    const written = await this.writer.parquet(
      this.connection,
      `views/${name}`,
      `SELECT * FROM ${await viewRows(this.lake, view)} ANTI JOIN ${keyRelation(this.plan.keys)} USING (_lake_key)`,
    );
    const layer: ViewLayer | undefined =
      written === undefined ? undefined : { files: [written], rows: written.rows, level: 0, replaces: [] };
    return { ...view, rowCount: written?.rows ?? 0, layers: layer === undefined ? [] : [layer] };
  }
}
