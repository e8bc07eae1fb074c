"""Reads Delta tables with readers that are not ours and writes what they see as Parquet.

stdin: a JSON list of {"table": folder or URL, "out": file, "engine": "deltalake" | "datafusion" | "polars", "version": number | null}
stdout: for each the table's version, protocol and number of rows.
"""

import json
import os
import sys

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, QueryBuilder


def write_rows(request, table):
    version, out = request.get("version"), request["out"]
    if request["engine"] == "deltalake":
        rows = table.to_pyarrow_table()
        pq.write_table(rows, out)
        return rows.num_rows
    if request["engine"] == "datafusion":
        rows = pl.from_arrow(pa.table(QueryBuilder().register("t", table).execute("SELECT * FROM t").read_all()))
    else:
        rows = pl.scan_delta(request["table"], version=version).collect()
    rows.write_parquet(out)
    return rows.height


answers = []
for request in json.load(sys.stdin):
    table = DeltaTable(request["table"], version=request.get("version"))
    rows = write_rows(request, table)
    protocol = table.protocol()
    answers.append(
        {
            "version": table.version(),
            "reader": protocol.min_reader_version,
            "writer": protocol.min_writer_version,
            "rows": rows,
            "files": sorted(table.file_uris()),
        }
    )
json.dump(answers, sys.stdout)
sys.stdout.flush()
# The readers' thread pools sometimes abort the process while the interpreter shuts down, after everything was read.
os._exit(0)
