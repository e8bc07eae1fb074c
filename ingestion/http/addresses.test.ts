import { describe, expect, it } from "vitest";
import { mayReach, nearestReach, reachOf } from "./addresses.js";

describe("the reach of an address", () => {
  it.each([
    ["8.8.8.8", "public"],
    ["2606:4700::1111", "public"],
    ["10.1.2.3", "private"],
    ["172.16.0.1", "private"],
    ["172.32.0.1", "public"],
    ["192.168.1.1", "private"],
    ["100.64.0.1", "private"],
    ["fd12:3456::1", "private"],
    ["127.0.0.1", "loopback"],
    ["127.9.9.9", "loopback"],
    ["[::1]", "loopback"],
    ["::ffff:127.0.0.1", "loopback"],
    ["::ffff:7f00:1", "loopback"],
    ["[::ffff:a9fe:a9fe]", "forbidden"],
    ["0:0:0:0:0:ffff:10.0.0.1", "private"],
    ["169.254.169.254", "forbidden"],
    ["0.0.0.0", "forbidden"],
    ["::", "forbidden"],
    ["fe80::1%eth0", "forbidden"],
    ["fd00:ec2::254", "forbidden"],
    ["64:ff9b::7f00:1", "forbidden"],
    ["2002:7f00:1::", "forbidden"],
    ["224.0.0.1", "forbidden"],
    ["255.255.255.255", "forbidden"],
  ])("%s is %s", (address, reach) => {
    expect(reachOf(address)).toBe(reach);
  });

  it("is unknown for names", () => {
    expect(reachOf("localhost")).toBeUndefined();
    expect(reachOf("10.0.0.1.example")).toBeUndefined();
  });

  it("sees decimal, octal and hexadecimal forms after URL parsing", () => {
    for (const host of ["2130706433", "0177.0.0.1", "0x7f.1", "127.1"]) {
      expect(reachOf(new URL(`http://${host}/`).hostname)).toBe("loopback");
    }
    expect(reachOf(new URL("http://2852039166/").hostname)).toBe("forbidden");
  });

  it("lets a server send us no nearer than itself, and never to a link-local or metadata address", () => {
    expect(mayReach("public", "public")).toBe(true);
    expect(mayReach("public", "private")).toBe(false);
    expect(mayReach("public", "loopback")).toBe(false);
    expect(mayReach("private", "private")).toBe(true);
    expect(mayReach("private", "loopback")).toBe(false);
    expect(mayReach("loopback", "private")).toBe(true);
    expect(mayReach("loopback", "loopback")).toBe(true);
    for (const base of ["public", "private", "loopback"] as const)
      expect(mayReach(base, "forbidden")).toBe(false);
    expect(nearestReach(["public", "private"])).toBe("private");
    expect(nearestReach([])).toBe("public");
  });
});
