import type { Database } from "#duckdb";
import { Author } from "./author.js";
import type { Command } from "./commands.js";
import { Model } from "./model.js";
import type { TestView } from "./views.js";
import { World } from "./world.js";

/** A point that a reader holds, with what it must see there for as long as it does. */
interface Pin {
  readonly read: (view: string) => Promise<string[]>;
  readonly release: () => void;
  readonly model: Model;
  readonly views: readonly TestView[];
}

/** The recompute: the view's rows over all live resources, as sorted texts. */
function recompute(view: TestView, model: Model): string[] {
  const resources = model.live(view.definition.resource);
  return resources
    .flatMap((resource) => view.rows(resource))
    .map((row) => JSON.stringify(row))
    .sort();
}

/** A difference between the system and the recompute, in words. */
export class Violation extends Error {}

function compare(where: string, view: string, seen: readonly string[], expected: readonly string[]): void {
  const one = JSON.stringify(seen);
  const other = JSON.stringify(expected);
  if (one !== other) throw new Violation(`${where}: ${view} gives ${one}, the recompute ${other}`);
}

/** Runs one history in a new world and compares every view with the recompute after every step. Throws a {@link Violation}. */
class Run {
  private readonly world: World;
  private readonly model = new Model();
  private readonly author = new Author();
  private readonly pins: Pin[] = [];

  constructor(world: World) {
    this.world = world;
  }

  async step(command: Command): Promise<void> {
    const { world, model, author } = this;
    switch (command.do) {
      case "notify": {
        const versions = author.write(command.drafts);
        model.accept(versions);
        await world.notify(versions);
        return;
      }
      case "batch": {
        const versions = author.write(command.drafts);
        model.accept(versions);
        await world.batch(versions);
        return;
      }
      case "race": {
        const landed = author.write(command.drafts);
        const notified = author.write(command.notified);
        model.accept([...landed, ...notified]);
        await Promise.all([world.batch(landed), world.notify(notified), world.flush(), world.flush()]);
        await world.catchUp();
        return;
      }
      case "flush":
        await world.flush();
        return;
      case "compact":
        await world.compact();
        return;
      case "restart":
        this.unpinAll();
        await world.restart();
        return;
      case "pin":
        this.pins.push({ ...(await world.pin()), model: model.copy(), views: world.views });
        return;
      case "unpin":
        this.pins.shift()?.release();
        return;
      case "vacuum":
        await world.vacuum(this.pins.length > 0);
        return;
      case "skew":
        world.skew(command.minutes);
        return;
      case "change-view":
        await world.changeView();
    }
  }

  async check(where: string): Promise<void> {
    const { world, model } = this;
    for (const view of world.views) {
      const { name } = view.definition;
      compare(where, name, await world.read(name), recompute(view, model));
    }
    for (const [i, pin] of this.pins.entries()) {
      for (const view of pin.views) {
        const { name } = view.definition;
        compare(`${where}, pin ${i}`, name, await pin.read(name), recompute(view, pin.model));
      }
    }
  }

  unpinAll(): void {
    for (const pin of this.pins.splice(0)) pin.release();
  }
}

export async function runHistory(database: Database, commands: readonly Command[]): Promise<void> {
  const world = await World.create(database);
  const run = new Run(world);
  try {
    for (const [i, command] of commands.entries()) {
      await run.step(command);
      await run.check(`after step ${i + 1} (${command.do})`);
    }
  } finally {
    run.unpinAll();
    await world.close();
  }
}
