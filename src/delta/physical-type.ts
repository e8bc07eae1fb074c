import { LakeError } from "#kernel";
import { type DeltaType, sqlTypeOf } from "./delta-type.js";

/** A column type as DuckDB's DESCRIBE names it, taken apart. */
export type PhysicalType =
  | { readonly kind: "scalar"; readonly sqlType: string }
  | { readonly kind: "list"; readonly item: PhysicalType }
  | { readonly kind: "struct"; readonly fields: ReadonlyMap<string, PhysicalType> };

/** Recursive descent over `STRUCT("end" VARCHAR, period STRUCT(...)[])[]`. */
class TypeParser {
  private readonly text: string;
  private at = 0;

  constructor(text: string) {
    this.text = text;
  }

  parse(): PhysicalType {
    const type = this.type();
    if (this.at !== this.text.length) throw this.unreadable();
    return type;
  }

  private unreadable(): LakeError {
    return new LakeError(
      "internal",
      "delta/unknown-type",
      "The engine named a column type in an unknown way.",
      {
        details: { type: this.text, at: this.at },
      },
    );
  }

  private take(token: string): boolean {
    if (!this.text.startsWith(token, this.at)) return false;
    this.at += token.length;
    return true;
  }

  private type(): PhysicalType {
    let type = this.take("STRUCT(") ? this.struct() : this.scalar();
    while (this.take("[]")) type = { kind: "list", item: type };
    return type;
  }

  private struct(): PhysicalType {
    const fields = new Map<string, PhysicalType>();
    do {
      const name = this.name();
      if (!this.take(" ")) throw this.unreadable();
      fields.set(name, this.type());
    } while (this.take(", "));
    if (!this.take(")")) throw this.unreadable();
    return { kind: "struct", fields };
  }

  private match(pattern: RegExp): string {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0];
    if (found === undefined) throw this.unreadable();
    this.at += found.length;
    return found;
  }

  private name(): string {
    if (!this.text.startsWith('"', this.at)) return this.match(/[^\s"(),]+/y);
    return this.match(/"(?:[^"]|"")*"/y)
      .slice(1, -1)
      .replaceAll('""', '"');
  }

  private scalar(): PhysicalType {
    return { kind: "scalar", sqlType: this.match(/[A-Za-z_][A-Za-z0-9_ ]*(?:\(\d+(?:,\s*\d+)?\))?/y) };
  }
}

/** Reads a type as DESCRIBE prints it. Errors: `delta/unknown-type`. */
export function parsePhysicalType(text: string): PhysicalType {
  return new TypeParser(text).parse();
}

/**
 * True when every reader finds the published type in a column of this physical type. Fields may stand in another order, but none may be
 * missing: Spark, asked for a nested field that a file lacks, answers NULL for the whole list or struct around it and so loses rows
 * (seen with Spark 4.0; delta-rs and Polars fill the field with NULL).
 */
export function conforms(physical: PhysicalType, published: DeltaType): boolean {
  switch (published.kind) {
    case "primitive":
      return physical.kind === "scalar" && physical.sqlType === sqlTypeOf(published);
    case "array":
      return physical.kind === "list" && conforms(physical.item, published.item);
    case "struct":
      return (
        physical.kind === "struct" &&
        physical.fields.size === published.fields.length &&
        published.fields.every((field) => {
          const inner = physical.fields.get(field.name);
          return inner !== undefined && conforms(inner, field.type);
        })
      );
  }
}
