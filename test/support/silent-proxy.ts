import { once } from "node:events";
import { type AddressInfo, createServer, connect as dial, type Socket } from "node:net";

/** A way to a server that can go silent as a machine does that loses power: nobody is told that it ended. */
export interface SilentProxy {
  readonly port: number;
  /** From a client's message with this text on, nothing passes on any connection, nor on new ones. */
  silenceAt(text: string): void;
  /** New connections work again; those that were open stay silent. */
  heal(): void;
  stop(): Promise<void>;
}

/** Starts one before a port of this machine. */
export async function silentProxy(to: number): Promise<SilentProxy> {
  const sockets = new Set<Socket>();
  let last: string | undefined;
  let silent = false;
  const keep = (socket: Socket): void => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
  };
  const server = createServer({ allowHalfOpen: true }, (client) => {
    keep(client);
    let cut = silent;
    if (cut) return;
    const upstream = dial({ port: to, host: "127.0.0.1", allowHalfOpen: true });
    keep(upstream);
    const pass = (target: Socket, chunk?: Buffer): void => {
      cut ||= silent;
      if (cut) return;
      if (chunk === undefined) target.end();
      else target.write(chunk);
    };
    client.on("data", (chunk) => {
      if (last !== undefined && chunk.includes(last)) silent = true;
      pass(upstream, chunk);
    });
    upstream.on("data", (chunk) => pass(client, chunk));
    client.on("end", () => pass(upstream));
    upstream.on("end", () => pass(client));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    silenceAt: (text) => {
      last = text;
    },
    heal: () => {
      last = undefined;
      silent = false;
    },
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
