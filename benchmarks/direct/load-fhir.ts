import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { Asker } from "../../src/app/bench/asker.js";

const PER_BUNDLE = 200;
const AT_ONCE = 3;

async function* bundles(files: readonly string[]): AsyncGenerator<string> {
  let entries: string[] = [];
  const bundle = (): string =>
    `{"resourceType":"Bundle","type":"transaction","entry":[${entries.join(",")}]}`;
  for (const file of files) {
    for await (const line of createInterface({ input: createReadStream(file) })) {
      if (line === "") continue;
      const { resourceType, id } = JSON.parse(line) as { resourceType: string; id: string };
      entries.push(`{"resource":${line},"request":{"method":"PUT","url":"${resourceType}/${id}"}}`);
      if (entries.length < PER_BUNDLE) continue;
      yield bundle();
      entries = [];
    }
  }
  if (entries.length > 0) yield bundle();
}

/** Stores NDJSON files in a FHIR server under their own ids: transactions of 200, three at a time. */
export async function loadFhir(
  url: string,
  files: readonly string[],
  log: (text: string) => void,
): Promise<void> {
  const asker = new Asker({
    name: "FHIR server",
    base: url,
    connections: AT_ONCE,
    headers: { "Content-Type": "application/fhir+json", Prefer: "return=minimal" },
  });
  const waiting = bundles(files);
  const started = performance.now();
  let sent = 0;
  const sender = async (): Promise<void> => {
    for (;;) {
      const next = await waiting.next();
      if (next.done === true) return;
      const { status } = await asker.send("POST", "", next.value);
      if (status !== 200) throw new Error(`a transaction was answered with ${status}`);
      sent++;
      if (sent % 100 !== 0) continue;
      const seconds = (performance.now() - started) / 1000;
      log(`${sent * PER_BUNDLE} resources stored, ${Math.round((sent * PER_BUNDLE) / seconds)} a second`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, sender));
  asker.close();
}
