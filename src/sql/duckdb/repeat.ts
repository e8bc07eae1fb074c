import { failure } from "./failure.js";
import { indented, type Level, selectText } from "./level.js";
import { identifier } from "./quote.js";
import { isNull, type Value } from "./value.js";

/**
 * How deep a repeat follows its paths. Stored resources cannot be deeper: their JSON nests at most 64 levels, and a node takes two of
 * them. Deeper data stops the statement with an error.
 */
export const REPEAT_DEPTH = 32;

/** What a repeat needs to find its nodes. */
interface RepeatParts {
  /** The rows before the repeat. */
  readonly level: Level;
  /** Items of a SELECT that carry what is needed later, and the columns they make. */
  readonly items: readonly string[];
  readonly columns: ReadonlyMap<string, Value>;
  /** The list of the first nodes. */
  readonly start: Value;
  readonly item: string;
  /** SQL of the list of a node's children. */
  readonly children: (node: string) => string;
  readonly alias: () => string;
  /** Whether the nodes' ranks in pre-order are asked for. */
  readonly indexed: boolean;
}

/** The nodes of each row as a list, ready to be unnested. */
interface RepeatNodes {
  readonly level: Level;
  readonly items: readonly string[];
  /** SQL of the list of all nodes. */
  readonly list: string;
  /** SQL of the nodes' ranks in pre-order, from 0, in the order of `list`. */
  readonly ranks: string;
}

/** A position as text of fixed width: joined along the way down, positions sort nodes in pre-order. */
function positionText(position: string): string {
  return `printf('%06x', ${position})`;
}

/** The first level: plain nodes, or nodes with the position from which their rank follows. */
function firstLevel({ start, indexed }: RepeatParts): string {
  if (!indexed) return start.sql;
  return `list_transform(${start.sql}, lambda r, ri: {'path': ${positionText("ri - 1")}, 'node': r})`;
}

/** What one node of a level becomes on the next one; the node is `r`. */
function nextNodes({ children, indexed }: RepeatParts): string {
  if (!indexed) return children("r");
  const below = children("struct_extract(r, 'node')");
  const path = `struct_extract(r, 'path') || ${positionText("ri - 1")}`;
  return `list_transform(${below}, lambda rc, ri: {'path': ${path}, 'node': rc})`;
}

/** So many levels are kept apart before they join the nodes found so far: every level kept costs memory in each step behind it. */
const LEVELS_KEPT = 4;

/** The steps of a repeat, each a SELECT over the one before. */
class Steps {
  private readonly texts: string[] = [];
  private readonly parts: RepeatParts;
  private readonly passed: readonly string[];
  private readonly next: string;
  private rows = "";

  constructor(parts: RepeatParts, passed: readonly string[]) {
    this.parts = parts;
    this.passed = passed;
    this.next = nextNodes(parts);
    this.add(selectText(parts.level, [...parts.items, `${firstLevel(parts)} AS ${this.level(1)}`]));
  }

  level(depth: number): string {
    return identifier(`${this.parts.item}/${depth}`);
  }

  /** Makes a level from the one above it; `kept` are the lists needed later. */
  below(depth: number, kept: readonly string[]): void {
    const above = this.level(depth - 1);
    const nodes = `CASE WHEN len(${above}) > 0 THEN flatten(list_transform(${above}, lambda r: ${this.next})) END`;
    this.select([...kept, `${nodes} AS ${this.level(depth)}`]);
  }

  select(items: readonly string[]): void {
    this.add(`SELECT ${[...this.passed, ...items].join(", ")} FROM ${this.rows}`);
  }

  /** All steps as what stands after FROM. */
  from(): string {
    return `${indented(`WITH ${this.texts.join(",\n")}\nSELECT * FROM ${this.rows}`)} AS ${this.parts.alias()}`;
  }

  private add(text: string): void {
    this.rows = this.parts.alias();
    this.texts.push(`${this.rows} AS NOT MATERIALIZED ${indented(text)}`);
  }
}

/**
 * Finds nodes level by level, each level a column computed from the one above, so that rows stream through and nothing is gathered.
 * A level that no row of a batch reaches costs next to nothing.
 */
export function repeatedNodes(parts: RepeatParts): RepeatNodes {
  const { columns, item, indexed } = parts;
  const passed = [...columns.values()].filter((value) => !isNull(value)).map((value) => value.sql);
  const steps = new Steps(parts, passed);
  const all = identifier(`${item}/*`);
  for (let first = 1; first <= REPEAT_DEPTH; first += LEVELS_KEPT) {
    const found = first === 1 ? [] : [all];
    const levels = [steps.level(first)];
    while (levels.length < LEVELS_KEPT) {
      const depth = first + levels.length;
      steps.below(depth, [...found, ...levels]);
      levels.push(steps.level(depth));
    }
    const joined = `list_concat(${[...found, ...levels].join(", ")})`;
    const whole = first === 1 ? joined : `CASE WHEN len(${levels[0]}) > 0 THEN ${joined} ELSE ${all} END`;
    steps.select([`${whole} AS ${all}`, levels.at(-1)!]);
    steps.below(first + LEVELS_KEPT, [all]);
  }
  const beyond = steps.level(REPEAT_DEPTH + 1);
  const tooDeep = failure("too-deep", String(REPEAT_DEPTH));
  steps.select([`CASE WHEN len(${beyond}) > 0 THEN ${tooDeep} ELSE ${all} END AS ${all}`]);
  const level: Level = { from: steps.from(), where: [], columns };
  if (!indexed) return { level, items: passed, list: all, ranks: "" };
  const paths = `list_transform(${all}, lambda r: struct_extract(r, 'path'))`;
  return {
    level,
    items: passed,
    list: `list_transform(${all}, lambda r: struct_extract(r, 'node'))`,
    // Grading the grades turns "which node comes when" into "when does this node come".
    ranks: `list_transform(list_grade_up(list_grade_up(${paths})), lambda r: r - 1)`,
  };
}
