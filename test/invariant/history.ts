import { Author } from "./author.js";
import type { Command, Step } from "./commands.js";
import type { Host, Manner } from "./host.js";
import { Model, type Version } from "./model.js";
import type { Rows } from "./reads.js";
import type { TestView } from "./views.js";
import { type HeldPoint, World } from "./world.js";

type Faulty = Extract<Command, { do: "fault" }>;

/**
 * What may have been accepted. More than one is possible after a crash for as long as they give the same rows, such as with or without a
 * delete of something that was not there.
 */
type Candidates = readonly Model[];

/** A point that a reader holds, with what it must see there for as long as it does. */
interface Pin extends HeldPoint {
  candidates: Candidates;
}

/** A snapshot that the lake can go back to. */
interface Mark {
  readonly snapshot: number;
  readonly edition: number;
  readonly candidates: Candidates;
}

/** A difference between the system and the recompute, in words. */
export class Violation extends Error {}

/** The recompute: the view's rows over all live resources, as sorted texts. */
function recompute(view: TestView, model: Model): string[] {
  const resources = model.live(view.definition.resource);
  return resources
    .flatMap((resource) => view.rows(resource))
    .map((row) => JSON.stringify(row))
    .sort();
}

/** The first difference between what was read and what was expected, in words; undefined where there is none. */
function difference(rows: Rows, views: readonly TestView[], model: Model): string | undefined {
  for (const view of views) {
    const { name } = view.definition;
    const [seen, expected] = [JSON.stringify(rows.get(name)), JSON.stringify(recompute(view, model))];
    if (seen !== expected) return `${name} gives ${seen}, the recompute ${expected}`;
  }
  return undefined;
}

/** The candidates that agree with what was read, at least one. Throws a {@link Violation} otherwise. */
function agreeing(where: string, rows: Rows, views: readonly TestView[], candidates: Candidates): Candidates {
  const agree = candidates.filter((model) => difference(rows, views, model) === undefined);
  if (agree.length === 0) throw new Violation(`${where}: ${difference(rows, views, candidates.at(-1)!)}`);
  return agree;
}

/** The views that a look is about. */
function looked(views: readonly TestView[], look: Step["look"]): readonly TestView[] {
  return look === "everything" ? views : views.filter(({ definition }) => definition.resource === look);
}

/** Runs one history in a new world and compares views with the recompute. Throws a {@link Violation}. */
class Run {
  private readonly world: World;
  private readonly author = new Author();
  private readonly pins: Pin[] = [];
  private candidates: Candidates = [new Model()];
  private readonly marks: Mark[] = [];
  /** Whatever the lake goes back to, what the journal acknowledged counts. */
  private readonly acknowledged: Version[] = [];

  constructor(world: World) {
    this.world = world;
  }

  async step(command: Command): Promise<void> {
    const { world } = this;
    switch (command.do) {
      case "notify":
        return world.notify(this.notified(command.drafts));
      case "batch":
        return world.batch(this.accepted(command.drafts));
      case "race":
        await race(world, this.accepted(command.drafts), this.notified(command.notified));
        return;
      case "die":
        await world.accept(this.notified(command.drafts));
        this.unpinAll();
        return world.restart();
      case "restart":
        this.unpinAll();
        return world.restart();
      case "pin":
        this.pins.push({ ...(await world.hold()), candidates: this.copies() });
        return;
      case "unpin":
        this.pins.shift()?.reader.release();
        return;
      case "vacuum":
        return world.vacuum(this.pins.length > 0);
      case "skew":
        return world.skew(command.minutes);
      case "fault":
        return this.fault(command);
      case "redis":
        return world.redis(command.event);
      case "flush":
        return world.flush();
      case "compact":
        return world.compact();
      case "trim":
        return world.trim();
      case "change-view":
        return world.changeView();
      case "restore":
        return this.restore(command.back);
    }
  }

  private async restore(back: number): Promise<void> {
    const mark = this.marks.at(-1 - back);
    if (mark === undefined) return;
    // Who holds a point is told to ask again.
    this.unpinAll();
    if (!(await this.world.restore(mark.snapshot, mark.edition))) return;
    this.candidates = mark.candidates.map((model) => model.copy());
    this.accept(this.acknowledged);
  }

  /** Remembers the newest snapshot. */
  async mark(): Promise<void> {
    const snapshot = await this.world.newest();
    if (this.marks.at(-1)?.snapshot === snapshot) this.marks.pop();
    this.marks.push({ snapshot, edition: this.world.edition, candidates: this.copies() });
  }

  private notified(drafts: Parameters<Author["write"]>[0]): Version[] {
    const versions = this.accepted(drafts);
    this.acknowledged.push(...versions);
    return versions;
  }

  private accepted(drafts: Parameters<Author["write"]>[0]): Version[] {
    const versions = this.author.write(drafts);
    this.accept(versions);
    return versions;
  }

  private accept(versions: readonly Version[]): void {
    for (const model of this.candidates) model.accept(versions);
  }

  private copies(): Model[] {
    return this.candidates.map((model) => model.copy());
  }

  /** After work that a fault cut short everything is as before it or as after it, and the work can be done again. */
  private async fault(command: Faulty): Promise<void> {
    const { world } = this;
    // A crash ends the process, and with it its readers.
    if (command.fault.startsWith("crash")) this.unpinAll();
    const notified = command.during === "race" ? this.author.write(command.notified) : [];
    const landed = ["race", "batch"].includes(command.during) ? this.author.write(command.drafts) : [];
    // What is notified is acknowledged by the journal, which has no fault here.
    this.accept(notified);
    this.acknowledged.push(...notified);
    const before = { views: world.views, candidates: this.copies() };
    const struck = await world.withFault(command.after, command.fault, () =>
      faultyWork(world, command.during, { landed, notified, hasReaders: this.pins.length > 0 }),
    );
    this.accept(landed);
    await this.world.catchUp();
    if (!struck) return;
    if (command.during === "change-view") {
      await this.expectEither(before.views, world.views);
      await world.buildViews();
    } else if (command.again && landed.length > 0) await world.batch(landed);
    else this.candidates = [...this.candidates, ...(landed.length > 0 ? before.candidates : [])];
  }

  /** The views must be as before or as after. */
  private async expectEither(before: readonly TestView[], after: readonly TestView[]): Promise<void> {
    const [rows] = await this.world.read(this.world.views);
    const found = this.candidates.some((model) => difference(rows!, after, model) === undefined);
    if (!found) agreeing("views after a fault", rows!, before, this.candidates);
  }

  /** Compares the views of a look, now and at every held point. */
  async check(where: string, look: Step["look"]): Promise<void> {
    const { world, pins } = this;
    const seen = (views: readonly TestView[]): readonly TestView[] => looked(views, look);
    const held = pins.map(({ reader, views }) => ({ reader, views: seen(views) }));
    const [now, ...then] = await world.read(seen(world.views), held);
    this.candidates = agreeing(where, now!, seen(world.views), this.candidates);
    for (const [i, pin] of pins.entries()) {
      pin.candidates = agreeing(`${where}, pin ${i}`, then[i]!, seen(pin.views), pin.candidates);
    }
  }

  unpinAll(): void {
    for (const pin of this.pins.splice(0)) pin.reader.release();
  }
}

async function race(world: World, landed: readonly Version[], notified: readonly Version[]): Promise<void> {
  const work = [world.batch(landed), world.accept(notified), world.flush(), world.flush()];
  const outcomes = await Promise.allSettled(work);
  for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
  await world.catchUp();
}

async function faultyWork(
  world: World,
  during: Faulty["during"],
  given: { landed: readonly Version[]; notified: readonly Version[]; hasReaders: boolean },
): Promise<void> {
  switch (during) {
    case "batch":
      return world.batch(given.landed);
    case "race":
      return race(world, given.landed, given.notified);
    case "flush":
      return world.flush();
    case "compact":
      return world.compact();
    case "vacuum":
      return world.vacuum(given.hasReaders);
    case "trim":
      return world.trim();
    case "change-view":
      return world.changeView();
  }
}

/** Runs a history in a new world; in the end everything is compared. Throws a {@link Violation}. */
export async function runHistory(
  host: Host,
  steps: readonly Step[],
  manner: Manner = "quick",
): Promise<void> {
  const world = await World.create(host, manner);
  const run = new Run(world);
  try {
    await run.mark();
    for (const [i, step] of steps.entries()) {
      await run.step(step);
      const look = i === steps.length - 1 ? "everything" : step.look;
      if (look !== "nothing") await run.check(`after step ${i + 1} (${step.do})`, look);
      await run.mark();
    }
  } finally {
    run.unpinAll();
    await world.close();
  }
}
