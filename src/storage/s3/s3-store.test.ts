import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe } from "vitest";
import { motoPython, type S3Server, startS3Server } from "../../../test/support/s3-server.js";
import { objectStoreContract } from "../object-store.contract.js";
import { openStore } from "../open-store.js";

describe.skipIf(motoPython() === undefined)("an S3 store", () => {
  let server: S3Server;
  beforeAll(async () => {
    server = await startS3Server();
    Object.assign(process.env, server.environment());
  });
  afterAll(() => server.stop());

  objectStoreContract("S3", () => openStore(`s3://${server.bucket}/${randomUUID()}/lake`));
});
