import { type RedisServer, startRedis } from "../support/redis-server.js";

/** What happens to Redis. */
export type RedisEvent = "flush" | "kill" | "restart" | "keep-dump" | "old-dump" | "pause";

const PAUSE_MS = 150;

/** A Redis server for one world after the other, to which things happen. */
export class UnreliableRedis {
  private readonly server: RedisServer;
  private isDown = false;
  private dump: string | undefined;

  private constructor(server: RedisServer) {
    this.server = server;
  }

  static async open(): Promise<UnreliableRedis> {
    return new UnreliableRedis(await startRedis());
  }

  get url(): string {
    return this.server.url;
  }

  async happen(event: RedisEvent): Promise<void> {
    if (this.isDown && event !== "kill" && event !== "old-dump") await this.begin();
    switch (event) {
      case "flush":
        await this.server.command("FLUSHALL");
        return;
      case "kill":
        this.isDown = true;
        return this.server.kill();
      case "restart":
        await this.server.kill();
        return this.begin();
      case "keep-dump":
        this.dump = await this.server.dump();
        return;
      case "old-dump":
        await this.server.kill();
        return this.begin(this.dump);
      case "pause":
        await this.server.command("CLIENT", "PAUSE", PAUSE_MS, "ALL");
    }
  }

  private async begin(dump?: string): Promise<void> {
    await this.server.start(dump);
    this.isDown = false;
  }

  /** Makes it serve again, empty, for the next world. */
  async reset(): Promise<void> {
    this.dump = undefined;
    if (this.isDown) await this.begin();
    await this.server.command("FLUSHALL");
  }

  stop(): Promise<void> {
    return this.server.stop();
  }
}
