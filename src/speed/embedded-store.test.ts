import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { openEventStore } from "#events";
import { embeddedStore } from "./embedded-store.js";
import { liveStoreContract } from "./live-store.contract.js";

liveStoreContract("embedded", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "fhir-lake-store-"));
  const journal = await openEventStore({ file: path.join(folder, "journal.sqlite") });
  return {
    journal,
    store: async () => embeddedStore(journal),
    end: () => rm(folder, { recursive: true }),
  };
});
