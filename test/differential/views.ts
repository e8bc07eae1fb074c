import { type Constant, ExpressionWriter, type Group, groupOf } from "./expressions.js";
import type { Random } from "./random.js";
import { pools } from "./resources.js";
import { fhirType, isPrimitive } from "./schema.js";

type Json = Record<string, unknown>;

/** A column that every branch of a union must have, in a fixed order. */
interface Slot {
  readonly name: string;
  readonly group: Group;
  readonly collection: boolean;
}

/** Paths that reach the same type again, by type. */
const recursions: Record<string, readonly { paths: readonly string[]; type: string }[]> = {
  Questionnaire: [{ paths: ["item"], type: "Questionnaire.item" }],
  "Questionnaire.item": [{ paths: ["item"], type: "Questionnaire.item" }],
  QuestionnaireResponse: [
    { paths: ["item"], type: "QuestionnaireResponse.item" },
    { paths: ["item", "answer.item"], type: "QuestionnaireResponse.item" },
    { paths: ["answer.item", "item"], type: "QuestionnaireResponse.item" },
  ],
  "QuestionnaireResponse.item": [
    { paths: ["item", "answer.item"], type: "QuestionnaireResponse.item" },
    { paths: ["answer.item"], type: "QuestionnaireResponse.item" },
  ],
  Patient: [{ paths: ["extension"], type: "Extension" }],
  Observation: [{ paths: ["extension"], type: "Extension" }],
  HumanName: [{ paths: ["extension"], type: "Extension" }],
  Extension: [{ paths: ["extension"], type: "Extension" }],
};

const constantTypes: readonly (readonly [string, string])[] = [
  ["String", "string"],
  ["Code", "code"],
  ["Uri", "uri"],
  ["Id", "id"],
  ["Integer", "integer"],
  ["PositiveInt", "positiveInt"],
  ["Decimal", "decimal"],
  ["Boolean", "boolean"],
  ["Date", "date"],
  ["DateTime", "dateTime"],
  ["Instant", "instant"],
  ["Time", "time"],
];

function randomConstant(random: Random, index: number): Constant {
  const [type, pool] = random.pick(constantTypes);
  const raw = random.pick(pools[pool]!);
  const group = groupOf(pool);
  const value = group === "number" ? Number(raw) : group === "boolean" ? raw === "true" : raw;
  return { name: `k${index}`, type, value, group };
}

class ViewWriter {
  private readonly random: Random;
  private readonly write: ExpressionWriter;
  private names = 0;

  constructor(random: Random, constants: readonly Constant[], recklessness: number) {
    this.random = random;
    this.write = new ExpressionWriter(random, constants, recklessness);
  }

  private nextName(): string {
    this.names += 1;
    return `c${this.names}`;
  }

  private slot(): Slot {
    const { random } = this;
    const group = random.pick<Group>([
      "string",
      "string",
      "string",
      "number",
      "wild",
      "boolean",
      "temporal",
      "time",
    ]);
    return { name: this.nextName(), group, collection: random.chance(0.12) };
  }

  private column(focus: string, slot: Slot, inUnion: boolean): Json {
    const { random, write } = this;
    const values = slot.collection ? write.values(focus, slot.group, 1) : undefined;
    if (values === undefined && slot.group === "number" && !slot.collection && random.chance(0.15)) {
      return { name: slot.name, path: "%rowIndex", ...(inUnion ? {} : { type: "integer" }) };
    }
    const value = values ?? write.value(focus, slot.group, 2);
    // Branches of a union have one type; what each branch found is left for the runner to see.
    const declared = inUnion
      ? { string: "string", boolean: "boolean" }[slot.group as string]
      : fhirType(value.type);
    const omitted = !inUnion && random.chance(0.15);
    return {
      name: slot.name,
      path: value.text,
      ...(declared === undefined || omitted ? {} : { type: declared }),
      ...(slot.collection ? { collection: true } : {}),
    };
  }

  private iteration(focus: string, depth: number): { members: Json; focus: string } {
    const { random, write } = this;
    const recursion = recursions[focus];
    if (recursion !== undefined && random.chance(0.35)) {
      const chosen = random.pick(recursion);
      return { members: { repeat: chosen.paths }, focus: chosen.type };
    }
    const path = write.foci(focus, depth > 1 ? 1 : 0);
    if (path === undefined) return { members: {}, focus };
    return { members: { [random.chance(0.5) ? "forEach" : "forEachOrNull"]: path.text }, focus: path.type };
  }

  /** A select that has exactly the given columns, in order, however nested. */
  private branch(focus: string, slots: readonly Slot[], depth: number): Json {
    const { random } = this;
    const { members, focus: inner } = random.chance(0.6)
      ? this.iteration(focus, depth)
      : { members: {}, focus };
    if (depth > 0 && random.chance(0.2)) {
      return { ...members, unionAll: random.list(1, 2, () => this.branch(inner, slots, depth - 1)) };
    }
    const own = depth > 0 && slots.length > 1 && random.chance(0.3) ? 1 : slots.length;
    const rest = slots.slice(own);
    return {
      ...members,
      column: slots.slice(0, own).map((slot) => this.column(inner, slot, true)),
      ...(rest.length === 0 ? {} : { select: [this.branch(inner, rest, depth - 1)] }),
    };
  }

  select(focus: string, depth: number, iterates: number): Json {
    const { random } = this;
    const { members, focus: inner } = random.chance(iterates)
      ? this.iteration(focus, depth)
      : { members: {}, focus };
    const result: Json = { ...members };
    const columns = random.list(depth === 0 ? 1 : 0, 3, () => this.column(inner, this.slot(), false));
    if (columns.length > 0) result["column"] = columns;
    const nests = depth > 0 && !isPrimitive(inner);
    if (nests && random.chance(0.5))
      result["select"] = random.list(1, 2, () => this.select(inner, depth - 1, 0.75));
    if (depth > 0 && random.chance(0.3)) {
      const slots = random.list(1, 3, () => this.unionSlot());
      result["unionAll"] = random.list(1, 3, () => this.branch(inner, slots, depth - 1));
    }
    if (Object.keys(result).length === Object.keys(members).length) {
      result["column"] = [this.column(inner, this.slot(), false)];
    }
    return result;
  }

  /** Numbers stay out of unions here: integer and decimal branches would differ in type. */
  private unionSlot(): Slot {
    const group = this.random.pick<Group>(["string", "string", "boolean", "time"]);
    return { name: this.nextName(), group, collection: this.random.chance(0.1) };
  }

  conditions(focus: string): Json[] {
    return this.random.list(0, 2, () => ({ path: this.write.condition(focus, 2) }));
  }
}

/** A random ViewDefinition for a resource type. `recklessness` is the chance of a path that may have too many items. */
export function randomView(random: Random, resource: string, recklessness: number): Json {
  const constants = random.list(0, 3, (index) => randomConstant(random, index));
  const writer = new ViewWriter(random, constants, recklessness);
  const select = random.list(1, 2, () => writer.select(resource, 2, 0.4));
  select.unshift({ column: [{ name: "id", path: "id", type: "id" }] });
  const where = random.chance(0.4) ? writer.conditions(resource) : [];
  return {
    resourceType: "ViewDefinition",
    resource,
    status: "active",
    ...(constants.length === 0
      ? {}
      : { constant: constants.map(({ name, type, value }) => ({ name, [`value${type}`]: value })) }),
    select,
    ...(where.length === 0 ? {} : { where }),
  };
}
