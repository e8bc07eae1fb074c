import { didYouMean } from "#kernel";
import type { OrderItem, SelectItem } from "#query";
import { badRequest } from "../http/errors.js";
import { TextReader } from "./text-reader.js";

const selectName = /[^,:"]*/y;
const orderName = /[^,."]*/y;

/** `a,new:old,"odd, name"`: columns, some under a new name. Fails with `serving/bad-syntax`; an empty text selects nothing. */
export function parseSelect(text: string): SelectItem[] {
  if (text.trim() === "") return [];
  const reader = new TextReader("select", text);
  const items: SelectItem[] = [];
  const name = (): string => reader.quoted() ?? (reader.match(selectName) ?? "").trim();
  do {
    const first = name();
    items.push(reader.take(":") ? { column: name(), as: first } : { column: first });
  } while (reader.take(","));
  if (!reader.done) throw reader.error("a comma is expected between columns");
  return items;
}

const directions = ["asc", "desc", "nullsfirst", "nullslast"];

/** `a.desc.nullslast,b`: NULL comes last unless told otherwise. Fails with `serving/bad-syntax`. */
export function parseOrder(text: string): OrderItem[] {
  const reader = new TextReader("order", text);
  const items: OrderItem[] = [];
  do {
    const column = reader.quoted() ?? (reader.match(orderName) ?? "").trim();
    if (column === "") throw reader.error("a column is expected");
    let item: OrderItem = { column };
    while (reader.take(".")) item = { ...item, ...direction(reader) };
    items.push(item);
  } while (reader.take(","));
  if (!reader.done) throw reader.error("a comma is expected between columns");
  return items;
}

function direction(reader: TextReader): Partial<OrderItem> {
  const word = reader.match(/[^,.]*/y) ?? "";
  if (word === "asc" || word === "desc") return { descending: word === "desc" };
  if (word === "nullsfirst" || word === "nullslast") return { nullsFirst: word === "nullsfirst" };
  throw badRequest(
    "bad-parameter",
    `order knows ${directions.join(", ")} after a column, not '${word.slice(0, 16)}'.${didYouMean(word, directions)}`,
    { parameter: "order", known: directions },
  );
}
