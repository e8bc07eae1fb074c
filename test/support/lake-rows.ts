import { Lake, viewRows } from "#lake";

/** What a lake answers: live resources per type, and per view its row count with a hash over all rows. Equal lakes give equal results. */
export async function lakeRows(
  location: string,
): Promise<{ readonly tables: Record<string, number>; readonly views: Record<string, string> }> {
  const lake = await Lake.open({ location });
  const head = await lake.head();
  const views: Record<string, string> = {};
  for (const [name, view] of Object.entries(head.views)) {
    const columns = view.columns.map((c) => `"${c.name}"`).join(", ");
    const [row] = await lake.database.with((c) =>
      viewRows(lake, view).then((r) =>
        c.rows<{ h: string }>(`SELECT count(*) || ' ' || coalesce(sum(hash(${columns})), 0) AS h FROM ${r}`),
      ),
    );
    views[name] = row!.h;
  }
  const tables = Object.fromEntries(Object.entries(head.tables).map(([type, t]) => [type, t.resourceCount]));
  await lake.close();
  return { tables, views };
}
