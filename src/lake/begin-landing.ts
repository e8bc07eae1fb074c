import { LakeError } from "#kernel";
import type { Lake } from "./lake.js";

/** A numbered place for a landing. */
export interface LandingPlace {
  readonly sequence: number;
  /** Later than that of every landing begun before, even when the clock was set back. */
  readonly acceptedAt: Date;
  /** Empty local folder for the landing's files; the caller removes it. */
  readonly dir: string;
}

interface Claim {
  readonly acceptedAtMs: number;
}

const MOST_RACES = 1000;

function claimKey(sequence: number): string {
  return `landing/${String(sequence).padStart(12, "0")}/claim.json`;
}

async function newestClaim(lake: Lake): Promise<number> {
  let newest = 0;
  for await (const entry of lake.store.list("landing/")) {
    const match = /^landing\/(\d{12})\/claim\.json$/.exec(entry.key);
    if (match !== null) newest = Math.max(newest, Number(match[1]));
  }
  return newest;
}

/** Takes the next landing sequence of the lake; two processes never get the same one. */
export async function beginLanding(lake: Lake): Promise<LandingPlace> {
  const head = await lake.history.latest();
  let acceptedAtMs = Math.max(lake.clock.now().getTime(), (head?.acceptedAtMs ?? 0) + 1);
  let last = Math.max(0, ...(head?.landings ?? []), await newestClaim(lake));
  for (let race = 0; race < MOST_RACES; race++) {
    const previous = await lake.store.get(claimKey(last)).catch(() => undefined);
    if (previous !== undefined) {
      const claim = JSON.parse(Buffer.from(previous).toString("utf8")) as Claim;
      acceptedAtMs = Math.max(acceptedAtMs, claim.acceptedAtMs + 1);
    }
    const sequence = last + 1;
    const claim: Claim = { acceptedAtMs };
    const outcome = await lake.store.putIfAbsent(claimKey(sequence), Buffer.from(JSON.stringify(claim)));
    if (outcome === "created") {
      const dir = await lake.store.stagingDirectory(`landing-${sequence}`);
      return { sequence, acceptedAt: new Date(acceptedAtMs), dir };
    }
    last = sequence;
  }
  throw new LakeError(
    "conflict",
    "lake/too-much-contention",
    "Too many ingestions began at once; try again.",
    {
      retryable: true,
    },
  );
}
