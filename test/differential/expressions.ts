import type { Random } from "./random.js";
import { extensionUrls, pools } from "./resources.js";
import { type Element, fhirType, isPrimitive, schema } from "./schema.js";

/** Kinds of value that operators treat alike. */
export type Group = "string" | "number" | "wild" | "boolean" | "temporal" | "time";

/** A FHIRPath expression and what it gives. */
export interface Typed {
  readonly text: string;
  /** FHIR type of the items. */
  readonly type: string;
  /** False when it cannot give more than one item. */
  readonly many: boolean;
}

/** A constant of the view, as expressions may use it. */
export interface Constant {
  readonly name: string;
  /** Suffix of `value[x]`: `String`, `Date`, … */
  readonly type: string;
  /** As JSON. */
  readonly value: string | number | boolean;
  readonly group: Group;
}

const groups: Record<Group, readonly string[]> = {
  string: ["string", "code", "uri", "id", "markdown", "base64Binary", "referenceText"],
  number: ["integer", "positiveInt", "unsignedInt", "decimal"],
  wild: ["wildDecimal"],
  boolean: ["boolean"],
  temporal: ["date", "dateTime", "instant"],
  time: ["time"],
};

export function groupOf(type: string): Group {
  return (Object.keys(groups) as Group[]).find((group) => groups[group].includes(type))!;
}

/** A FHIRPath string literal. */
export function quote(text: string): string {
  return `'${text.replace(/\\/g, "\\\\").replace(/'/g, "\\'").replace(/\n/g, "\\n")}'`;
}

/** Writes random well-typed FHIRPath over the schema. */
export class ExpressionWriter {
  private readonly random: Random;
  private readonly constants: readonly Constant[];
  /** Chance that an expression which needs one item gets one that may have several: an error if the data has them. */
  private readonly recklessness: number;

  constructor(random: Random, constants: readonly Constant[], recklessness: number) {
    this.random = random;
    this.constants = constants;
    this.recklessness = recklessness;
  }

  /** A member below a choice element whose type does not depend on which choice it is. */
  private throughChoice(element: Element): Element | undefined {
    const members = element.types.flatMap((type) => schema.get(type) ?? []);
    const safe = members.filter(
      (member) =>
        member.types.length === 1 &&
        members.every(
          (other) =>
            other.name !== member.name || (other.types[0] === member.types[0] && other.list === member.list),
        ),
    );
    return safe.length === 0 ? undefined : this.random.pick(safe);
  }

  private step(from: Typed | undefined, element: Element): Typed {
    const prefix = from === undefined ? "" : `${from.text}.`;
    const type = this.random.pick(element.types);
    const plain =
      element.types.length > 1 && this.random.chance(0.15) ? this.throughChoice(element) : undefined;
    if (plain !== undefined) {
      const name = `${prefix}${element.name}.${plain.name}`;
      return { text: name, type: plain.types[0]!, many: element.list || plain.list || from?.many === true };
    }
    const choice = element.types.length > 1 ? `.ofType(${fhirType(type)})` : "";
    const many = element.list || from?.many === true;
    if (type === "Extension" && this.random.chance(0.6)) {
      return { text: `${prefix}extension(${quote(this.random.pick(extensionUrls))})`, type, many: true };
    }
    if (type === "Resource")
      return { text: `${prefix}${element.name}.ofType(Organization)`, type: "Organization", many };
    return { text: `${prefix}${element.name}${choice}`, type, many };
  }

  /** Something between a path and the same path filtered, cut or picked from. */
  private decorated(path: Typed, depth: number): Typed {
    const { random } = this;
    if (!path.many || random.chance(0.7)) return path;
    const one = (suffix: string): Typed => ({ ...path, text: path.text + suffix, many: false });
    const some = (suffix: string): Typed => ({ ...path, text: path.text + suffix });
    return random.weighted<Typed>([
      [2, () => one(".first()")],
      [1, () => one(".last()")],
      [2, () => one(`[${random.below(3)}]`)],
      [1, () => some(`.skip(${random.below(3)})`)],
      [1, () => some(`.take(${random.below(3)})`)],
      [1, () => some(".tail()")],
      [depth > 0 ? 6 : 0, () => some(`.where(${this.condition(path.type, depth - 1)})`)],
    ]);
  }

  /** A path from a focus of the given type, at most four steps long; undefined from a primitive. */
  path(focus: string, depth: number, wanted: (type: string) => boolean): Typed | undefined {
    if (isPrimitive(focus)) return wanted(focus) ? { text: "$this", type: focus, many: false } : undefined;
    for (let attempt = 0; attempt < 40; attempt++) {
      const path = this.wander(focus, depth, wanted);
      if (path !== undefined) return path;
    }
    return undefined;
  }

  private wander(focus: string, depth: number, wanted: (type: string) => boolean): Typed | undefined {
    let path: Typed | undefined;
    for (let length = 0; length < 4; length++) {
      const elements = schema.get(path?.type ?? focus)!;
      const ending = elements.filter((element) => element.types.some(wanted));
      const element = this.random.pick(ending.length > 0 && this.random.chance(0.6) ? ending : elements);
      path = this.decorated(this.step(path, element), depth);
      if (isPrimitive(path.type) && this.random.chance(0.05)) path = this.annotation(path, wanted) ?? path;
      if (wanted(path.type) && (isPrimitive(path.type) || this.random.chance(0.6))) return path;
      if (isPrimitive(path.type)) return undefined;
    }
    return undefined;
  }

  /** A value in an extension of a primitive. */
  private annotation(path: Typed, wanted: (type: string) => boolean): Typed | undefined {
    const types = schema
      .get("Extension")!
      .find((element) => element.name === "value")!
      .types.filter(wanted);
    if (types.length === 0 || path.text === "id") return undefined;
    const type = this.random.pick(types);
    const url = quote(this.random.pick(extensionUrls));
    return { text: `${path.text}.extension(${url}).value.ofType(${fhirType(type)})`, type, many: true };
  }

  /** The path with at most one item, mostly. */
  private one(path: Typed): Typed {
    if (!path.many || this.random.chance(this.recklessness)) return { ...path, many: false };
    return { ...path, text: `${path.text}.first()`, many: false };
  }

  private pathOf(focus: string, depth: number, group: Group): Typed | undefined {
    return this.path(focus, depth, (type) => groups[group].includes(type));
  }

  private literal(group: Group): Typed {
    const { random } = this;
    const fitting = this.constants.filter((constant) => constant.group === group);
    if (fitting.length > 0 && random.chance(0.5)) {
      const constant = random.pick(fitting);
      return { text: `%${constant.name}`, type: this.literalType(constant), many: false };
    }
    const type = random.pick(groups[group].filter((candidate) => pools[candidate] !== undefined));
    const value = random.pick(pools[type]!);
    switch (group) {
      case "string":
        return { text: quote(value), type: "string", many: false };
      case "number":
      case "wild": {
        const plain = value.toLowerCase().includes("e") ? "100" : value;
        return { text: plain.startsWith("-") ? `(${plain})` : plain, type, many: false };
      }
      case "boolean":
        return { text: value, type, many: false };
      case "time":
        return { text: `@T${value}`, type, many: false };
      case "temporal":
        return { text: `@${value}${type !== "date" && !value.includes("T") ? "T" : ""}`, type, many: false };
    }
  }

  private literalType(constant: Constant): string {
    return constant.type[0]!.toLowerCase() + constant.type.slice(1);
  }

  private operand(focus: string, depth: number, group: Group): Typed {
    if (this.random.chance(0.25)) return this.literal(group);
    const path = this.pathOf(focus, 0, group);
    if (path !== undefined && this.random.chance(0.6)) return this.one(path);
    if (group === "string") return this.string(focus, depth);
    if (group === "number") return this.number(focus, depth);
    return path === undefined ? this.literal(group) : this.one(path);
  }

  /** An expression with one boolean or nothing. */
  condition(focus: string, depth: number): string {
    const { random } = this;
    const deeper = depth > 0 ? 1 : 0;
    return random.weighted<string>([
      [5, () => this.comparison(focus, depth)],
      [3, () => this.existence(focus, depth)],
      [2 * deeper, () => this.connective(focus, depth - 1)],
      [2, () => this.membership(focus)],
      [2, () => this.stringTest(focus, depth)],
      [1, () => this.booleanPath(focus)],
      [1, () => this.wholeLists(focus)],
      [1, () => this.convertibility(focus, depth)],
    ]);
  }

  /** Two lists against each other, item by item. */
  private wholeLists(focus: string): string {
    const group = this.random.pick<Group>(["string", "number", "boolean", "temporal"]);
    const [a, b] = [this.pathOf(focus, 0, group), this.pathOf(focus, 0, group)];
    if (a === undefined || b === undefined) return "true";
    return `${a.text} ${this.random.pick(["=", "!=", "=", "~", "!~"])} ${this.random.chance(0.3) ? a.text : b.text}`;
  }

  private convertibility(focus: string, depth: number): string {
    const { random } = this;
    const group = random.pick<Group>(["string", "number", "boolean", "temporal", "time"]);
    const path = this.pathOf(focus, depth - 1, group);
    if (path === undefined) return "'1'.convertsToInteger()";
    const value = this.one(path).text;
    if (group === "boolean" && path.many)
      return `${path.text}.${random.pick(["allTrue", "anyTrue", "allFalse", "anyFalse"])}()`;
    if (group === "string" || group === "number") {
      const type = random.pick(["Integer", "Decimal", "String", "Boolean", "Date", "DateTime", "Time"]);
      if (group === "string" || ["Integer", "Decimal", "String", "Boolean"].includes(type)) {
        return `${value}.convertsTo${type}()`;
      }
    }
    return `${value}.toString() ~ ${this.literal("string").text}`;
  }

  private booleanPath(focus: string): string {
    const path = this.pathOf(focus, 0, "boolean");
    return path === undefined ? this.random.pick(["true", "false"]) : this.one(path).text;
  }

  private connective(focus: string, depth: number): string {
    const operator = this.random.pick(["and", "or", "and", "or", "xor", "implies"]);
    const [a, b] = [this.condition(focus, depth), this.condition(focus, depth)];
    return this.random.chance(0.2) ? `(${a}).not()` : `(${a}) ${operator} (${b})`;
  }

  private comparison(focus: string, depth: number): string {
    const group = this.random.pick<Group>([
      "string",
      "string",
      "number",
      "wild",
      "boolean",
      "temporal",
      "temporal",
      "time",
    ]);
    const operators =
      group === "boolean" ? ["=", "!=", "~"] : ["=", "=", "!=", "<", "<=", ">", ">=", "~", "!~"];
    const left = this.operand(focus, depth - 1, group);
    const right = this.random.chance(0.6) ? this.literal(group) : this.operand(focus, depth - 1, group);
    const wrap = (text: string): string => (/ /.test(text) ? `(${text})` : text);
    return `${wrap(left.text)} ${this.random.pick(operators)} ${wrap(right.text)}`;
  }

  /** The name of a choice element of the focus, which stands for whichever choice is there. */
  private bareChoice(focus: string): string | undefined {
    const choices = (schema.get(focus) ?? []).filter((element) => element.types.length > 1);
    return choices.length === 0 ? undefined : this.random.pick(choices).name;
  }

  private existence(focus: string, depth: number): string {
    const { random } = this;
    const choice = random.chance(0.2) ? this.bareChoice(focus) : undefined;
    if (choice !== undefined)
      return `${choice}.${random.pick(["exists()", "empty()", "count() = 1", "exists().not()"])}`;
    const path = this.path(focus, 0, () => true);
    if (path === undefined) return random.pick(["$this.exists()", "$this.hasValue()", "$this.empty()"]);
    const inner = (): string => this.condition(path.type, depth - 1);
    return random.weighted<string>([
      [4, () => `${path.text}.exists()`],
      [2, () => `${path.text}.empty()`],
      [2, () => `${path.text}.count() ${random.pick([">", "=", "<="])} ${random.below(4)}`],
      [depth > 0 ? 3 : 0, () => `${path.text}.exists(${inner()})`],
      [depth > 0 ? 2 : 0, () => `${path.text}.all(${inner()})`],
      [
        path.many ? 1 : 0,
        () => `${path.text}.where($index ${random.pick(["=", ">", "<"])} ${random.below(3)}).exists()`,
      ],
      [1, () => `${path.text}.exists().not()`],
      [isPrimitive(path.type) ? 1 : 0, () => `${path.text}.hasValue()`],
      [isPrimitive(path.type) && path.many ? 1 : 0, () => `${path.text}.isDistinct()`],
      [2, () => this.setOperation(focus)],
      [1, () => this.typeTest(focus)],
    ]);
  }

  private setOperation(focus: string): string {
    const group = this.random.pick<Group>(["string", "string", "number", "boolean"]);
    const [a, b] = [this.pathOf(focus, 0, group), this.pathOf(focus, 0, group)];
    if (a === undefined || b === undefined) return "true";
    const count = `.count() = ${this.random.below(4)}`;
    return this.random.pick([
      `(${a.text} | ${b.text})${count}`,
      `${a.text}.union(${b.text})${count}`,
      `${a.text}.combine(${b.text})${count}`,
      `${a.text}.intersect(${b.text}).exists()`,
      `${a.text}.exclude(${b.text})${count}`,
      `${a.text}.subsetOf(${b.text})`,
      `${a.text}.supersetOf(${b.text})`,
      `${a.text}.distinct()${count}`,
    ]);
  }

  private typeTest(focus: string): string {
    const choices = (schema.get(focus) ?? []).filter((element) => element.types.length > 1 && !element.list);
    // In an extension `code` and `string` meet, of which one is the other's subtype.
    if (choices.length === 0 || focus === "Extension") return "$this.exists()";
    const element = this.random.pick(choices);
    const type = fhirType(this.random.pick(element.types));
    return this.random.chance(0.5) ? `${element.name} is ${type}` : `(${element.name} as ${type}).exists()`;
  }

  private membership(focus: string): string {
    const group = this.random.pick<Group>(["string", "string", "number"]);
    const [many, one] = [this.pathOf(focus, 0, group), this.literal(group)];
    if (many === undefined) return `${one.text} in (${one.text} | ${this.literal(group).text})`;
    return this.random.chance(0.5) ? `${one.text} in ${many.text}` : `${many.text} contains ${one.text}`;
  }

  private stringTest(focus: string, depth: number): string {
    const { random } = this;
    const subject = this.postfixable(this.operand(focus, depth - 1, "string"));
    return random.weighted<string>([
      [2, () => `${subject}.startsWith(${quote(random.pick(["a", "http", "Z", "中"]))})`],
      [1, () => `${subject}.endsWith(${quote(random.pick(["b", "x", "文"]))})`],
      [2, () => `${subject}.contains(${quote(random.pick(["a", "%", "'", "_"]))})`],
      [1, () => `${subject}.matches(${quote(random.pick(["^a", "b$", "[0-9]+", "^.+$", "a|b"]))})`],
    ]);
  }

  private postfixable(operand: Typed): string {
    return /[ ]|^[-\d]/.test(operand.text) && !operand.text.startsWith("'")
      ? `(${operand.text})`
      : operand.text;
  }

  /** An expression with one string or nothing. */
  string(focus: string, depth: number): Typed {
    const { random } = this;
    const computed = (text: string): Typed => ({ text, type: "string", many: false });
    const path = this.pathOf(focus, depth, "string");
    if (path === undefined) return this.literal("string");
    if (depth <= 0 || random.chance(0.5)) return this.one(path);
    const subject = this.one(path).text;
    return random.weighted<Typed>([
      [1, () => computed(`${subject}.upper()`)],
      [1, () => computed(`${subject}.lower()`)],
      [
        2,
        () =>
          computed(
            `${subject}.substring(${random.below(4)}${random.chance(0.5) ? `, ${random.below(4)}` : ""})`,
          ),
      ],
      [1, () => computed(`${subject}.replace('a', ${quote(random.pick(["", "$&", "xy"]))})`)],
      [2, () => computed(`${subject} + ${this.literal("string").text}`)],
      [2, () => computed(`${subject} & ${this.postfixable(this.string(focus, depth - 1))}`)],
      [path.many ? 2 : 0, () => computed(`${path.text}.join(${quote(random.pick([", ", "", "'"]))})`)],
      [1, () => computed(this.conditional(focus, depth, () => this.string(focus, depth - 1).text))],
      [1, () => computed(this.key(focus) ?? subject)],
      [1, () => computed(this.asText(focus) ?? subject)],
      [1, () => computed(`${subject}.trim()`)],
      [1, () => computed(`${subject}.encode(${quote(random.pick(["base64", "hex"]))})`)],
      [
        1,
        () =>
          computed(
            `${subject}.split(${quote(random.pick(["a", "/", ","]))}).${random.pick(["first()", "last()", "join('-')"])}`,
          ),
      ],
      [1, () => computed(`${subject}.toChars().${random.pick(["first()", "last()", "skip(1).first()"])}`)],
    ]);
  }

  private asText(focus: string): string | undefined {
    const path = this.pathOf(focus, 0, this.random.pick<Group>(["number", "boolean", "wild", "time"]));
    return path === undefined ? undefined : `${this.one(path).text}.toString()`;
  }

  private conditional(focus: string, depth: number, make: () => string): string {
    const otherwise = this.random.chance(0.7) ? `, ${make()}` : "";
    return `iif(${this.condition(focus, depth - 1)}, ${make()}${otherwise})`;
  }

  private key(focus: string): string | undefined {
    const reference = this.path(focus, 0, (type) => type === "Reference");
    if (reference === undefined) return undefined;
    return `${this.one(reference).text}.getReferenceKey(${this.random.pick(["", "Patient", "Organization"])})`;
  }

  /** An expression with one number or nothing. */
  number(focus: string, depth: number): Typed {
    const { random } = this;
    const integer = (text: string): Typed => ({ text, type: "integer", many: false });
    const decimal = (text: string): Typed => ({ text, type: "decimal", many: false });
    const path = this.pathOf(focus, depth, "number");
    if (depth <= 0) return path === undefined ? this.literal("number") : this.one(path);
    const subject = path === undefined ? undefined : this.one(path).text;
    const operand = (): string => this.postfixable(this.number(focus, depth - 1));
    return random.weighted<Typed>([
      [subject === undefined ? 0 : 4, () => this.one(path!)],
      [2, () => integer(`${this.path(focus, 0, () => true)?.text ?? "$this"}.count()`)],
      [1, () => integer(`${this.postfixable(this.string(focus, 0))}.length()`)],
      [
        1,
        () =>
          integer(
            `${this.postfixable(this.string(focus, 0))}.${random.pick(["indexOf", "lastIndexOf"])}('b')`,
          ),
      ],
      [path === undefined ? 0 : 1, () => decimal(`${path!.text}.${random.pick(["sum", "min", "max"])}()`)],
      [subject === undefined ? 0 : 1, () => decimal(`${subject}.toDecimal()`)],
      [3, () => decimal(`${operand()} ${random.pick(["+", "-", "*", "/"])} ${operand()}`)],
      [1, () => integer(`${operand()} div ${operand()}`)],
      [1, () => decimal(`${operand()} mod ${operand()}`)],
      [1, () => integer(`${this.postfixable(this.string(focus, 0))}.toInteger()`)],
      [subject === undefined ? 0 : 1, () => decimal(`${subject}.round(${random.below(3)})`)],
      [subject === undefined ? 0 : 1, () => decimal(`${subject}.abs()`)],
      [
        subject === undefined ? 0 : 1,
        () => integer(`${subject}.${random.pick(["floor", "ceiling", "truncate"])}()`),
      ],
    ]);
  }

  /** A boundary of a date, time or decimal; undefined when the focus leads to none. */
  boundary(focus: string): Typed | undefined {
    const group = this.random.pick<Group>(["temporal", "temporal", "time"]);
    const path = this.pathOf(focus, 0, group);
    if (path === undefined) return undefined;
    const one = this.one(path);
    return {
      text: `${one.text}.${this.random.pick(["low", "high"])}Boundary()`,
      type: one.type,
      many: false,
    };
  }

  /** A date moved by a number of calendar units. */
  private moved(focus: string): Typed | undefined {
    const path = this.pathOf(focus, 0, "temporal");
    if (path === undefined) return undefined;
    const one = this.one(path);
    const units = [
      "years",
      "months",
      "weeks",
      "days",
      ...(one.type === "date" ? [] : ["hours", "minutes", "seconds"]),
    ];
    const amount = `${this.random.pick([1, 2, 12, 30, 45, 400])} ${this.random.pick(units)}`;
    return { text: `${one.text} ${this.random.pick(["+", "-"])} ${amount}`, type: one.type, many: false };
  }

  /** One value of a group, for a column; `type` is the FHIR type to declare. */
  value(focus: string, group: Group, depth: number): Typed {
    switch (group) {
      case "string":
        return this.string(focus, depth);
      case "number":
        return this.number(focus, depth);
      case "boolean":
        return { text: this.condition(focus, depth), type: "boolean", many: false };
      default: {
        if (group !== "wild" && this.random.chance(0.2)) {
          const boundary = this.boundary(focus);
          if (boundary !== undefined) return boundary;
        }
        if (group === "temporal" && this.random.chance(0.2)) {
          const moved = this.moved(focus);
          if (moved !== undefined) return moved;
        }
        const path = this.pathOf(focus, depth, group);
        return path === undefined ? this.literal(group) : this.one(path);
      }
    }
  }

  /** Several values of a group, for a collection column. */
  values(focus: string, group: Group, depth: number): Typed | undefined {
    const { random } = this;
    if (random.chance(0.2)) {
      const outer = this.path(focus, 0, (type) => !isPrimitive(type));
      const inner = outer === undefined ? undefined : this.pathOf(outer.type, 0, group);
      if (outer !== undefined && inner !== undefined) {
        return { text: `${outer.text}.select(${inner.text})`, type: inner.type, many: true };
      }
    }
    const path = this.pathOf(focus, depth, group);
    if (path === undefined || group === "temporal" || !random.chance(0.2)) return path;
    return { ...path, text: `${path.text}.distinct()` };
  }

  /** A path to several complex or primitive items, for `forEach`. */
  foci(focus: string, depth: number): Typed | undefined {
    return this.path(focus, depth, (type) => !isPrimitive(type) || this.random.chance(0.2));
  }
}
