import { BlockList, isIP } from "node:net";

/** How far away an address is. `forbidden`: link-local, metadata services, multicast, unspecified and translated addresses. */
export type Reach = "public" | "private" | "loopback" | "forbidden";

function blockList(subnets: readonly string[]): BlockList {
  const list = new BlockList();
  for (const subnet of subnets) {
    const [address, prefix] = subnet.split("/") as [string, string];
    list.addSubnet(address, Number(prefix), isIP(address) === 6 ? "ipv6" : "ipv4");
  }
  return list;
}

const LOOPBACK = blockList(["127.0.0.0/8", "::1/128"]);
const PRIVATE = blockList(["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"]);
/** IANA's special-purpose registries, as far as nothing that serves FHIR files can stand there. */
const FORBIDDEN = blockList([
  "0.0.0.0/8",
  "169.254.0.0/16",
  "192.0.0.0/24",
  "224.0.0.0/4",
  "240.0.0.0/4",
  "::/128",
  "64:ff9b::/96",
  "64:ff9b:1::/48",
  "2002::/16",
  "2001::/32",
  "fe80::/10",
  "fec0::/10",
  "ff00::/8",
  "fd00:ec2::254/128",
]);

/** The IPv4 address inside `::ffff:a.b.c.d` (also in hex), else the address itself. */
function unmapped(address: string): string {
  const mapped = /^(?:0{0,4}:){1,5}(?::?ffff:)(.+)$/i.exec(address)?.[1];
  if (mapped === undefined) return address;
  if (isIP(mapped) === 4) return mapped;
  const words = mapped.split(":").map((word) => Number.parseInt(word, 16));
  if (words.length !== 2 || words.some(Number.isNaN)) return address;
  const [high, low] = words as [number, number];
  return [high >> 8, high & 255, low >> 8, low & 255].join(".");
}

/** How far away an IP address is; undefined when the text is no IP address. IPv6 may stand in brackets. */
export function reachOf(text: string): Reach | undefined {
  const address = unmapped(text.replace(/^\[(.*)\]$/, "$1").replace(/%.*$/, ""));
  const version = isIP(address);
  if (version === 0) return undefined;
  const family = version === 6 ? "ipv6" : "ipv4";
  if (LOOPBACK.check(address, family)) return "loopback";
  if (FORBIDDEN.check(address, family)) return "forbidden";
  if (PRIVATE.check(address, family)) return "private";
  return "public";
}

const ORDER: readonly Reach[] = ["public", "private", "loopback"];

/** The nearest of several; `public` when there is none. */
export function nearestReach(reaches: readonly Reach[]): Reach {
  return reaches.reduce<Reach>((a, b) => (ORDER.indexOf(b) > ORDER.indexOf(a) ? b : a), "public");
}

/**
 * Whether a server at distance `base` may send us to an address at distance `target`: never nearer than itself, so that
 * a server on the Internet cannot have the machines of our own network asked.
 */
export function mayReach(base: Reach, target: Reach): boolean {
  return target !== "forbidden" && ORDER.indexOf(target) <= ORDER.indexOf(base);
}
