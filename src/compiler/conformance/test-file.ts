import { ExactNumber, type ExactObject, type ExactValue, LakeError, parseSourcedJson } from "#kernel";

/** One test of a SQL on FHIR test file. Exactly one of `expect`, `expectCount`, `expectError` is set. */
export interface ConformanceTest {
  readonly title: string;
  readonly tags: readonly string[];
  /** The ViewDefinition as JSON text, digits untouched. */
  readonly view: string;
  readonly expect?: readonly ExactObject[];
  readonly expectCount?: number;
  readonly expectError?: true;
  readonly expectColumns?: readonly string[];
}

/** A test file: resources of any types, and the tests that run over them. */
export interface ConformanceFile {
  readonly title: string;
  /** Source text of each resource, digits untouched, in file order; may hold line breaks. */
  readonly resources: readonly string[];
  readonly tests: readonly ConformanceTest[];
}

function invalid(fileName: string, problem: string): LakeError {
  return new LakeError(
    "invalid-input",
    "compiler/invalid-test-file",
    `${fileName} is not a SQL on FHIR test file: ${problem}.`,
    { details: { file: fileName } },
  );
}

function isObject(value: ExactValue | undefined): value is ExactObject {
  return (
    typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof ExactNumber)
  );
}

function isTextList(value: ExactValue | undefined): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function expectations(test: ExactObject, problem: (text: string) => LakeError): Partial<ConformanceTest> {
  const { expect, expectCount, expectError, expectColumns } = test;
  const given = [expect, expectCount, expectError].filter((value) => value !== undefined && value !== false);
  if (given.length !== 1) throw problem("needs exactly one of expect, expectCount and expectError");
  if (expect !== undefined && !(Array.isArray(expect) && expect.every(isObject))) {
    throw problem("has an `expect` that is not a list of rows");
  }
  if (
    expectCount !== undefined &&
    !(expectCount instanceof ExactNumber && /^\d{1,15}$/.test(expectCount.text))
  ) {
    throw problem("has an `expectCount` that is not a count");
  }
  if (expectColumns !== undefined && !isTextList(expectColumns)) {
    throw problem("has an `expectColumns` that is not a list of names");
  }
  return {
    ...(expect === undefined ? {} : { expect: expect as readonly ExactObject[] }),
    ...(expectCount instanceof ExactNumber ? { expectCount: Number(expectCount.text) } : {}),
    ...(expectError === true ? { expectError: true as const } : {}),
    ...(expectColumns === undefined ? {} : { expectColumns }),
  };
}

/**
 * Reads the official test format (`tests.schema.json` of SQL on FHIR). Throws `kernel/invalid-json` or
 * `compiler/invalid-test-file`, naming the file and test.
 */
export function parseConformanceFile(text: string, fileName: string): ConformanceFile {
  const { value, sources } = parseSourcedJson(text);
  if (!isObject(value)) throw invalid(fileName, "it is not an object");
  const { title, resources, tests } = value;
  if (!Array.isArray(resources) || !resources.every(isObject)) {
    throw invalid(fileName, "`resources` is not a list of resources");
  }
  if (!Array.isArray(tests) || !tests.every(isObject))
    throw invalid(fileName, "`tests` is not a list of tests");
  return {
    title: typeof title === "string" ? title : fileName,
    resources: resources.map((_, index) => sources.get(`resources/${index}`)!),
    tests: tests.map((test, index) => {
      const name = test["title"];
      if (typeof name !== "string") throw invalid(fileName, `test ${index + 1} has no title`);
      const view = sources.get(`tests/${index}/view`);
      if (view === undefined) throw invalid(fileName, `test '${name}' has no view`);
      const tags = test["tags"];
      return {
        title: name,
        tags: isTextList(tags) ? tags : [],
        view,
        ...expectations(test, (problem) => invalid(fileName, `test '${name}' ${problem}`)),
      };
    }),
  };
}
