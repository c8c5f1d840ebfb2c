import { ARROW_MEDIA } from "../api/explore";

/** A Python program that asks the same and gets a pyarrow table; the standard library and pyarrow are enough. */
export function snippet(sql: string, origin: string, signed: boolean): string {
  const quoted = sql.replaceAll("\\", "\\\\").replaceAll('"""', '\\"\\"\\"');
  const end = quoted.endsWith('"') ? `${quoted.slice(0, -1)}\\"` : quoted;
  return `import json, os, urllib.request
import pyarrow as pa

SQL = """${end}"""

headers = {"Content-Type": "application/json", "Accept": "${ARROW_MEDIA}"}
${signed ? 'headers["Authorization"] = "Bearer " + os.environ["AID4_TOKEN"]  # account menu, API tokens\n' : ""}request = urllib.request.Request("${origin}/api/v1/query", json.dumps({"sql": SQL}).encode(), headers)
with urllib.request.urlopen(request) as answer:
    table = pa.ipc.open_stream(answer).read_all()
print(table.num_rows, "rows:", ", ".join(table.column_names))
# table.to_pandas(), polars.from_arrow(table), duckdb.sql("SELECT * FROM table") …
`;
}
