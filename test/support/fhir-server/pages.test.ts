import { describe, expect, it } from "vitest";
import { ServerClock } from "./clock.js";
import { ResultPages } from "./pages.js";

describe("stored result pages", () => {
  it("answer 410 after their time, whether or not others were stored since", () => {
    let now = 0;
    const pages = new ResultPages(new ServerClock(() => now), { keepMs: 1000, form: "opaque" });
    const nextOf = (text: string) => new URL(text).searchParams;
    const query = nextOf(
      pages.first("http://x", (offset, link) => (offset === 0 ? link(10) : `at ${offset}`)),
    );
    expect(pages.page("http://x", query)).toBe("at 10");
    now = 1000;
    expect(() => pages.page("http://x", query)).toThrow(/expired/);
    pages.first("http://x", () => "");
    expect(() => pages.page("http://x", query)).toThrow(/expired/);
  });
});
