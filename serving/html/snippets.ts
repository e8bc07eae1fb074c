/** Lines that read an address from the tools of analysts. Each is run as it stands by the tests, where its tool installs. */

/** A column that a snippet reads. */
export interface SnippetColumn {
  readonly name: string;
  readonly sqlType: string;
}

/** What a snippet reads. */
export interface SnippetAddress {
  /** Scheme and host of the server. */
  readonly origin: string;
  readonly view: string;
  /** The query string with its question mark, or empty. */
  readonly search: string;
  /** The columns of the answer. */
  readonly columns: readonly SnippetColumn[];
  /** True where the server asks for a key; the snippets take it from the environment. */
  readonly keyed: boolean;
}

/** Lines to copy. */
export interface Snippet {
  readonly tool: "curl" | "pandas" | "polars" | "duckdb" | "R" | "Excel";
  /** What to know before. */
  readonly note: string;
  readonly text: string;
}

/** The environment variable that snippets read the key from. */
export const KEY_VARIABLE = "FHIR_LAKE_KEY";

const pythonKey = `"Bearer " + os.environ["${KEY_VARIABLE}"]`;

/** A file in the working folder, named after the view. */
function fileName(view: string, extension: string): string {
  return `${view.replaceAll(/[^\w-]/g, "_")}.${extension}`;
}

function pandas(url: string, keyed: boolean): string {
  const options = keyed ? `, storage_options={"Authorization": ${pythonKey}}` : "";
  return `${keyed ? "import os\n" : ""}import pandas as pd
df = pd.read_parquet(${url}, dtype_backend="pyarrow"${options})`;
}

function polars(url: string, keyed: boolean): string {
  const request = keyed ? `urllib.request.Request(${url}, headers={"Authorization": ${pythonKey}})` : url;
  return `import io, ${keyed ? "os, " : ""}urllib.request
import polars as pl
with urllib.request.urlopen(${request}) as answer:
    df = pl.read_parquet(io.BytesIO(answer.read()))`;
}

function duckdb(url: string, file: string, keyed: boolean): string {
  const opener = `opener = urllib.request.build_opener()
opener.addheaders = [("Authorization", ${pythonKey})]
urllib.request.install_opener(opener)
`;
  return `import ${keyed ? "os, " : ""}urllib.request
import duckdb
${keyed ? opener : ""}urllib.request.urlretrieve(${url}, "${file}")
df = duckdb.sql("FROM '${file}'")
df.show()`;
}

/** The class that R gives the values of a column. */
function rClass(sqlType: string): string {
  if (/^U?(TINY|SMALL)?INT(EGER)?$/.test(sqlType)) return "integer";
  if (/^(U?(BIG|HUGE)INT|DOUBLE|FLOAT|DECIMAL.*)$/.test(sqlType)) return "numeric";
  if (sqlType === "BOOLEAN") return "logical";
  return sqlType === "DATE" ? "Date" : "character";
}

/** Base R alone. NULL is written as `\N`, which no text of a record is. */
function r(url: string, columns: readonly SnippetColumn[], keyed: boolean): string {
  const classes = columns.map(({ name, sqlType }) => `${JSON.stringify(name)} = "${rClass(sqlType)}"`);
  const times = columns
    .filter(({ sqlType }) => sqlType.startsWith("TIMESTAMP"))
    .map(({ name }) => JSON.stringify(name));
  const key = `headers = c(Authorization = paste("Bearer", Sys.getenv("${KEY_VARIABLE}")))`;
  const source = keyed ? `url(${url},\n  ${key})` : url;
  const read = `df <- read.csv(${source},
  na.strings = "\\\\N", check.names = FALSE, encoding = "UTF-8", colClasses = c(
    ${classes.join(",\n    ")}))`;
  if (times.length === 0) return read;
  return `${read}
for (name in c(${times.join(", ")}))
  df[[name]] <- as.POSIXct(df[[name]], format = "%Y-%m-%dT%H:%M:%OS", tz = "UTC")`;
}

/** A text of Power Query's language M. */
function mText(text: string): string {
  return `"${text.replaceAll('"', '""')}"`;
}

function powerQuery(url: string, view: string, keyed: boolean): string {
  const options = keyed ? ', [Headers = [Authorization = "Bearer " & Key]]' : "";
  return `let
${keyed ? '    Key = "your key",\n' : ""}    Source = Excel.Workbook(Web.Contents(${mText(url)}${options}), true),
    Rows = Source{[Item = ${mText(view.slice(0, 31))}, Kind = "Sheet"]}[Data]
in
    Rows`;
}

function withParameter(search: string, more: string): string {
  if (more === "") return search;
  return search === "" ? `?${more}` : `${search}&${more}`;
}

/** Lines for each tool, with the address as it is. */
export function snippets({ origin, view, search, columns, keyed }: SnippetAddress): readonly Snippet[] {
  const at = (extension: string, more = ""): string =>
    `${origin}/views/${encodeURIComponent(view)}.${extension}${withParameter(search, more)}`;
  // A JSON string is a string of Python and of R too.
  const quoted = (extension: string): string => JSON.stringify(at(extension));
  const header = keyed ? ` -H "Authorization: Bearer $${KEY_VARIABLE}"` : "";
  const shell = `'${at("csv").replaceAll("'", "%27")}'`;
  return [
    {
      tool: "curl",
      note: "CSV into a file; the command fails when the answer is an error or is cut short.",
      text: `curl --fail-with-body -o ${fileName(view, "csv")}${header} ${shell}`,
    },
    {
      tool: "pandas",
      note: "Typed; needs pyarrow. In a script that ends with the read, download the file first.",
      text: pandas(quoted("parquet"), keyed),
    },
    { tool: "polars", note: "Typed.", text: polars(quoted("parquet"), keyed) },
    {
      tool: "duckdb",
      note: "Typed; in Python. The file can be queried again without asking the server.",
      text: duckdb(quoted("parquet"), fileName(view, "parquet"), keyed),
    },
    {
      tool: "R",
      note: "Typed; base R alone. With the arrow package, download the .parquet address and use arrow::read_parquet.",
      text: r(JSON.stringify(at("csv", "null=%5CN")), columns, keyed),
    },
    {
      tool: "Excel",
      note: "Data, Get Data, From Other Sources, Blank Query, then Advanced Editor.",
      text: powerQuery(at("xlsx"), view, keyed),
    },
  ];
}
