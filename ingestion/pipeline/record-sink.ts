import { hash } from "node:crypto";
import {
  type Instant,
  instantHex,
  joinOrderKey,
  LandingWriter,
  RESOURCE_KEY_LENGTH,
  type RecordKind,
  u48Hex,
  versionHex,
} from "#landing";
import type { UnitSettings } from "./settings.js";

const NOTHING = Buffer.alloc(0);

/** Identity and clock of one version of a resource, as read from the resource or from its Bundle entry. */
export interface VersionFacts {
  readonly type: string;
  readonly id: string;
  readonly versionId: string;
  readonly lastUpdated: string;
  readonly instant: Instant | undefined;
}

/** Gives accepted resources their keys and writes them to the landing files. */
export class RecordSink {
  readonly writer: LandingWriter;
  private readonly settings: UnitSettings;
  private readonly sequence: string;
  private readonly fallbackTime: string;

  constructor(settings: UnitSettings, lane: { index: number; count: number }) {
    this.settings = settings;
    this.sequence = u48Hex(settings.sequence);
    this.fallbackTime = instantHex(settings.fallbackTime);
    const { landingDir, limits } = settings;
    this.writer = new LandingWriter({ landingDir, targetFileBytes: limits.targetFileBytes, lane });
  }

  /** Lands a resource whose text is `bytes[start, end)`. */
  update(facts: VersionFacts, bytes: Buffer, start: number, end: number, position: number): void {
    const rawHash = hash("sha256", bytes.subarray(start, end), "hex");
    this.append(facts, "U", { bytes, start, end, rawHash, position });
  }

  /** Lands a deletion. */
  delete(facts: VersionFacts, position: number): void {
    const rawHash = hash("sha256", NOTHING, "hex");
    this.append(facts, "D", { bytes: NOTHING, start: 0, end: 0, rawHash, position });
  }

  private append(
    facts: VersionFacts,
    kind: RecordKind,
    at: { bytes: Buffer; start: number; end: number; rawHash: string; position: number },
  ): void {
    const { source, policy } = this.settings;
    const key = hash("sha256", `${source}\0${facts.type}\0${facts.id}`, "hex").slice(0, RESOURCE_KEY_LENGTH);
    const order = joinOrderKey({
      policy,
      time: facts.instant === undefined ? this.fallbackTime : instantHex(facts.instant),
      version: versionHex(facts.versionId),
      deleted: kind === "D",
      sequence: this.sequence,
      position: at.position,
      rawHash: at.rawHash,
    });
    const header = {
      key,
      kind,
      id: facts.id,
      version: facts.versionId,
      lastUpdated: facts.lastUpdated,
      order,
    };
    this.writer.append(facts.type, header, at.bytes, at.start, at.end);
  }
}
