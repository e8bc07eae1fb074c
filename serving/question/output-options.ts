import type { EncodeOptions } from "#query";
import { badRequest } from "../http/errors.js";
import type { AnswerFormat } from "../http/negotiate.js";

/** The parameters that change how rows are written, and the formats that know them. */
const outputParameters: Readonly<Record<string, readonly AnswerFormat[]>> = {
  null: ["csv", "tsv"],
  excel: ["csv", "tsv"],
  numbers: ["json", "ndjson"],
  trailer: ["ndjson"],
  envelope: ["json"],
};

/** What they say. */
export interface OutputOptions {
  readonly encode: Pick<EncodeOptions, "nullText" | "spreadsheet" | "numbersAsText">;
  /** NDJSON is to end with a line that proves it whole. */
  readonly trailer: boolean;
  /** JSON is to be an object with the rows and what is known of them. */
  readonly envelope: boolean;
}

function switched(parameters: URLSearchParams, name: string): boolean {
  const text = parameters.get(name);
  if (text === null || text === "0") return false;
  if (text === "1") return true;
  throw badRequest("bad-parameter", `${name} is 1 or 0.`, { parameter: name });
}

/** Reads `null=NA`, `excel=1`, `numbers=string`, `trailer=1` and `envelope=1`. Fails when the format does not know one of them. */
export function parseOutput(parameters: URLSearchParams, format: AnswerFormat): OutputOptions {
  for (const [name, formats] of Object.entries(outputParameters)) {
    if (!parameters.has(name) || formats.includes(format)) continue;
    throw badRequest(
      "bad-parameter",
      `${name} is for ${formats.join(" and ")}; this answer is ${format}. Leave it out.`,
      { parameter: name, formats },
    );
  }
  const nullText = parameters.get("null");
  if (nullText !== null && !/^[^"\p{C}\t,]{1,16}$/u.test(nullText)) {
    throw badRequest(
      "bad-parameter",
      "null is 1 to 16 characters without quote, comma and tab, such as null=NA.",
      {
        parameter: "null",
      },
    );
  }
  const numbers = parameters.get("numbers");
  if (numbers !== null && numbers !== "string") {
    throw badRequest(
      "bad-parameter",
      "numbers is string (64-bit integers and decimals as strings), or left out.",
      {
        parameter: "numbers",
      },
    );
  }
  return {
    encode: {
      ...(nullText === null ? {} : { nullText }),
      spreadsheet: switched(parameters, "excel"),
      numbersAsText: numbers === "string",
    },
    trailer: switched(parameters, "trailer"),
    envelope: switched(parameters, "envelope"),
  };
}
