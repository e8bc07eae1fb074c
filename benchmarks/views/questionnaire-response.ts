import { createWriteStream } from "node:fs";
import { rename } from "node:fs/promises";

/** Deterministic pseudo-random numbers in [0, 1). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function answer(random: () => number, depth: number, linkId: string): string {
  const kind = Math.floor(random() * 6);
  const value = [
    `"valueInteger":${Math.floor(random() * 100)}`,
    `"valueString":"answer ${Math.floor(random() * 1000)}"`,
    `"valueBoolean":${random() < 0.5}`,
    `"valueDecimal":${(random() * 100).toFixed(1 + Math.floor(random() * 3))}`,
    `"valueDate":"20${10 + Math.floor(random() * 15)}-0${1 + Math.floor(random() * 9)}-1${Math.floor(random() * 10)}"`,
    `"valueTime":"1${Math.floor(random() * 10)}:30:00"`,
  ][kind];
  const below = depth < 3 && random() < 0.15 ? `,"item":[${item(random, depth + 1, `${linkId}.a`)}]` : "";
  return `{${value}${below}}`;
}

function item(random: () => number, depth: number, linkId: string): string {
  const group = depth < 4 && random() < (depth === 1 ? 0.6 : 0.25);
  const text = `{"linkId":"${linkId}","text":"Question ${linkId}"`;
  if (!group) return random() < 0.1 ? `${text}}` : `${text},"answer":[${answer(random, depth, linkId)}]}`;
  const count = 1 + Math.floor(random() * 3);
  const items = Array.from({ length: count }, (_, i) => item(random, depth + 1, `${linkId}.${i + 1}`));
  return `${text},"item":[${items.join(",")}]}`;
}

/** Writes `count` questionnaire responses: groups up to four deep, answers of six types, items below some answers. */
export async function writeQuestionnaireResponses(file: string, count: number): Promise<void> {
  const random = randomFrom(7);
  const out = createWriteStream(`${file}.part`);
  for (let i = 0; i < count; i++) {
    const items = Array.from({ length: 1 + Math.floor(random() * 4) }, (_, at) =>
      item(random, 1, String(at + 1)),
    );
    const line =
      `{"resourceType":"QuestionnaireResponse","id":"qr${i}","questionnaire":"http://example.org/q/${i % 20}|1.0",` +
      `"status":"completed","subject":{"reference":"Patient/p${i % 5000}"},"authored":"2024-05-04T08:20:00-04:00",` +
      `"item":[${items.join(",")}]}\n`;
    if (!out.write(line)) await new Promise<void>((resolve) => out.once("drain", resolve));
  }
  await new Promise<void>((resolve, reject) =>
    out.end((error?: Error | null) => (error ? reject(error) : resolve())),
  );
  await rename(`${file}.part`, file);
}
