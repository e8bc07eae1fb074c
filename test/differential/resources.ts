import type { Random } from "./random.js";
import { type Element, fhirType, isPrimitive, schema } from "./schema.js";

/** A number whose digits matter. */
class Digits {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

type Json = null | boolean | string | Digits | Json[] | { [name: string]: Json };

function format(value: Json): string {
  if (value instanceof Digits) return value.text;
  if (Array.isArray(value)) return `[${value.map(format).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.entries(value).map(([name, member]) => `${JSON.stringify(name)}:${format(member)}`);
  return `{${members.join(",")}}`;
}

/** Values that expressions compare with, so that both outcomes occur. */
export const pools: Record<string, readonly string[]> = {
  string: [
    "a",
    "b",
    "ab",
    "Zoë",
    "中文",
    "O'Brien",
    'say "hi"',
    "back\\slash",
    "%_;--",
    "😀 x",
    "A",
    "line\nbreak",
    "a,b",
  ],
  code: ["official", "home", "final", "x", "equal"],
  uri: ["http://a.org", "http://b.org/x", "urn:oid:1.2.3", "http://loinc.org"],
  id: ["p1", "p2", "A-1.b"],
  markdown: ["*note*", "a"],
  base64Binary: ["aGVsbG8=", "eA=="],
  date: ["2020", "2020-02", "2020-02-29", "2020-03-01", "1970-06", "1999-12-31"],
  dateTime: [
    "2020",
    "2020-02",
    "2020-02-29",
    "2020-03-01",
    "2020-02-29T10:00:00Z",
    "2020-02-29T23:30:00-05:00",
    "2020-03-01T04:30:00.000Z",
    "2020-03-01T04:30:00.1234567Z",
    "2020-03-01T10:00:00+05:30",
  ],
  instant: [
    "2020-02-29T10:00:00Z",
    "2020-02-29T23:30:00.5-05:00",
    "2020-03-01T04:30:00.500Z",
    "2020-03-01T10:00:00.5+05:30",
  ],
  time: ["10:30:00", "10:30:00.5", "23:59:59", "10:30:00.500"],
  referenceText: [
    "Patient/p1",
    "Patient/p2",
    "Patient/p1/_history/2",
    "http://x.org/fhir/Patient/p1",
    "#c1",
    "urn:uuid:0d1c0c0e-0001-4000-8000-000000000000",
    "Practitioner?identifier=http://a.org|1",
    "Organization/o1",
  ],
  integer: ["0", "1", "2", "-3", "2147483647"],
  positiveInt: ["1", "2", "7"],
  unsignedInt: ["0", "5"],
  decimal: ["1", "1.0", "1.50", "0.1", "-2.5", "100", "1e2", "0.25", "-0.0", "7.25"],
  wildDecimal: [
    "1.0",
    "1.00000000000000000001",
    "12345678901234567890.12",
    "12345678901234567890.1200",
    "1E-7",
    "0.0000001",
    "-99999999999999999.9",
    "3",
  ],
  boolean: ["true", "false"],
};

/** Addresses of extensions that generated resources carry. */
export const extensionUrls: readonly string[] = ["http://ext.org/a", "http://ext.org/b", "inner"];

function primitive(random: Random, type: string): Json {
  const value = random.pick(pools[type]!);
  if (type === "boolean") return value === "true";
  if (/[iI]nt|[dD]ecimal/.test(type)) return new Digits(value);
  return value;
}

/** How strange generated data is, each a probability. */
export interface Quirks {
  /** A primitive has an id or extension beside its value. */
  readonly primitiveExtension: number;
  /** A primitive with an extension has no value. */
  readonly valueless: number;
}

class Generator {
  private readonly random: Random;
  private readonly quirks: Quirks;

  constructor(random: Random, quirks: Quirks) {
    this.random = random;
    this.quirks = quirks;
  }

  private value(type: string, depth: number): Json {
    if (isPrimitive(type)) return primitive(this.random, type);
    if (type === "Resource") return { resourceType: "Organization", ...this.complex("Organization", depth) };
    return this.complex(type, depth);
  }

  private element(result: Record<string, Json>, element: Element, depth: number): void {
    const { random, quirks } = this;
    const type = random.pick(element.types);
    const suffix = fhirType(type);
    const name =
      element.types.length === 1 ? element.name : element.name + suffix[0]!.toUpperCase() + suffix.slice(1);
    const count = element.list ? 1 + random.below(3) : 1;
    const values = Array.from({ length: count }, () => this.value(type, depth + 1));
    if (
      isPrimitive(type) &&
      element.name !== "id" &&
      element.name !== "url" &&
      random.chance(quirks.primitiveExtension)
    ) {
      const extras = values.map(() => (random.chance(0.5) ? this.extras() : null));
      if (extras.some((extra) => extra !== null)) {
        result[`_${name}`] = element.list ? extras : extras[0]!;
        extras.forEach((extra, i) => {
          if (extra !== null && random.chance(quirks.valueless)) values[i] = null;
        });
      }
    }
    if (values.every((value) => value === null)) return;
    result[name] = element.list ? values : values[0]!;
  }

  private extras(): Json {
    const extension = this.complex("Extension", 3);
    return this.random.chance(0.3) ? { id: "e1" } : { extension: [extension] };
  }

  complex(type: string, depth: number): Record<string, Json> {
    const result: Record<string, Json> = {};
    if (type === "Extension") {
      result["url"] = this.random.pick(extensionUrls);
      const nested = depth < 4 && this.random.chance(0.4);
      const wanted = nested ? "extension" : "value";
      this.element(result, schema.get(type)!.find((element) => element.name === wanted)!, depth);
      return result;
    }
    for (const element of schema.get(type)!) {
      const recursive = /item|extension|identifier|contained/i.test(element.name);
      const likely = depth === 0 ? 0.6 : recursive ? 0.55 - depth * 0.08 : Math.max(0.2, 0.6 - depth * 0.08);
      if (this.random.chance(likely)) this.element(result, element, depth);
    }
    // An object without members is not FHIR.
    if (Object.keys(result).length === 0) this.element(result, schema.get(type)![0]!, depth + 1);
    return result;
  }
}

/** One resource as a line of JSON; `id` is always there and unique per `index`. */
export function randomResource(random: Random, type: string, index: number, quirks: Quirks): string {
  const { id: _, ...rest } = new Generator(random, quirks).complex(type, 0);
  return format({ resourceType: type, id: `r${index}`, ...rest });
}
