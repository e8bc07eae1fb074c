import { describe, expect, it } from "vitest";
import { loadDefinitions } from "#fhir";
import { Rejection } from "../quarantine/reason.js";
import { ResourceScanner, type ScannedResource, type ScanOptions } from "./scanner.js";

const definitions = loadDefinitions("4.0.1");

function scanner(maxDepth = 64): ResourceScanner {
  return new ResourceScanner(definitions, { maxDepth });
}

function scan(text: string | Buffer, options?: ScanOptions, on = scanner()): ScannedResource {
  const bytes = Buffer.concat([Buffer.from(text), Buffer.of(options?.multiline === true ? 0 : 0x0a)]);
  return on.scan(bytes, 0, bytes.length - 1, options);
}

function refusal(text: string | Buffer, options?: ScanOptions): Rejection {
  try {
    scan(text, options);
  } catch (error) {
    if (error instanceof Rejection) return error;
    throw error;
  }
  throw new Error(`accepted: ${String(text)}`);
}

/** A patient with one more property. */
function patient(property: string): string {
  return `{"resourceType":"Patient","id":"p",${property}}`;
}

describe("reading out", () => {
  it("finds type, id, version and time wherever they stand", () => {
    const expected = { type: "Patient", id: "p-1", versionId: "7", lastUpdated: "2024-01-01T00:00:00Z" };
    const meta = '"meta":{"profile":["x"],"lastUpdated":"2024-01-01T00:00:00Z","versionId":"7"}';
    for (const text of [
      `{"resourceType":"Patient","id":"p-1",${meta}}`,
      `{${meta},"id":"p-1","resourceType":"Patient"}`,
      ` { "active" : true , "id" : "p-1" , ${meta} , "contained":[{"resourceType":"Device","id":"d"}], "resourceType" : "Patient" } `,
    ]) {
      expect(scan(text)).toMatchObject(expected);
    }
  });

  it("decodes escapes in keys and in what it reads out", () => {
    const text =
      '{"resource\\u0054ype":"Pati\\u0065nt","\\u0069d":"\\u0070","meta":{"version\\u0049d":"\\u0031"}}';
    expect(scan(text)).toMatchObject({ type: "Patient", id: "p", versionId: "1" });
  });

  it("does not take the id of a contained resource for the resource's own", () => {
    const text = '{"resourceType":"Patient","contained":[{"resourceType":"Device","id":"d"}]}';
    expect(refusal(text).code).toBe("missing-id");
  });

  it("does not confuse a type with one that begins like it", () => {
    const on = scanner();
    expect(scan('{"resourceType":"Medication","id":"1"}', {}, on).type).toBe("Medication");
    expect(scan('{"resourceType":"MedicationRequest","id":"1"}', {}, on).type).toBe("MedicationRequest");
    expect(scan('{"resourceType":"Medication","id":"1"}', {}, on).type).toBe("Medication");
  });

  it("forgets what it read out of the line before", () => {
    const on = scanner();
    scan('{"resourceType":"Patient","id":"a","meta":{"versionId":"9"}}', {}, on);
    expect(scan('{"resourceType":"Patient","id":"b"}', {}, on)).toMatchObject({ id: "b", versionId: "" });
  });

  it("lets a Bundle lack an id only when asked to", () => {
    const text = '{"resourceType":"Bundle","type":"searchset"}';
    expect(scan(text, { bundleMayLackId: true })).toMatchObject({
      type: "Bundle",
      id: "",
      bundleType: "searchset",
    });
    expect(refusal(text).code).toBe("missing-id");
    expect(refusal('{"resourceType":"Patient"}', { bundleMayLackId: true }).code).toBe("missing-id");
  });
});

describe("JSON that is refused", () => {
  it.each([
    ["", "truncated"],
    ["{", "truncated"],
    ['{"resourceType":"Patient","id":"p"', "truncated"],
    ['{"resourceType":"Patient","id":"p', "truncated"],
    ['{"resourceType":"Pat', "truncated"],
    ['{"resourceType":"Patient","id":"p","active":tr', "truncated"],
    ['{"resourceType":"Patient","id":"p","active":', "truncated"],
    ['{"resourceType":"Patient","id":"p","x":"\\u00', "truncated"],
    ['{"resourceType":"Patient","id":"p"}}', "invalid-json"],
    ['{"resourceType":"Patient","id":"p"} {}', "invalid-json"],
    ['{"resourceType":"Patient","id":"p",}', "invalid-json"],
    ['{"resourceType":"Patient" "id":"p"}', "invalid-json"],
    ["{'resourceType':'Patient'}", "invalid-json"],
    ['{resourceType:"Patient"}', "invalid-json"],
    ["hello", "invalid-json"],
    [patient('"x":[1,]'), "invalid-json"],
    [patient('"x":[,1]'), "invalid-json"],
    [patient('"x":01'), "invalid-json"],
    [patient('"x":-'), "invalid-json"],
    [patient('"x":+1'), "invalid-json"],
    [patient('"x":1.'), "invalid-json"],
    [patient('"x":.5'), "invalid-json"],
    [patient('"x":1e'), "invalid-json"],
    [patient('"x":0x10'), "invalid-json"],
    [patient('"x":True'), "invalid-json"],
    [patient('"x":"\\x41"'), "invalid-json"],
    [patient('"x":"\\u12G4"'), "invalid-json"],
    [patient('"x":"a\tb"'), "control-character"],
    [patient('"x":"a\0b"'), "control-character"],
    [patient('"x\u001f":1'), "control-character"],
    [patient('"x":NaN'), "non-finite-number"],
    [patient('"x":Infinity'), "non-finite-number"],
    [patient('"x":1e400'), "non-finite-number"],
    [patient('"x":-1E+400'), "non-finite-number"],
    [patient(`"x":${"9".repeat(310)}`), "non-finite-number"],
    [patient('"x":"\\ud800"'), "lone-surrogate"],
    [patient('"x":"\\ud800\\u0041"'), "lone-surrogate"],
    [patient('"x":"\\udc00\\ud800"'), "lone-surrogate"],
    [patient('"id":"q"'), "duplicate-key"],
    [patient('"\\u0069d":"q"'), "duplicate-key"],
    [patient('"resourceType":"Patient"'), "duplicate-key"],
    [patient('"x":1,"x":2'), "duplicate-key"],
    [patient('"x":1,"\\u0078":2'), "duplicate-key"],
    [patient('"name":[{"given":["a"],"family":"b","given":["c"]}]'), "duplicate-key"],
    [patient('"contained":[{"a":{"b":1,"c":2,"b":3}}]'), "duplicate-key"],
  ])("%j: %s", (text, code) => {
    expect(refusal(text).code).toBe(code);
  });

  it("points at the byte where the trouble is", () => {
    const text = patient('"active":tru3');
    expect(refusal(text)).toMatchObject({ code: "invalid-json", at: text.indexOf("tru3") });
    expect(refusal(patient('"x":"\u00e9\ud800"').replace("\ud800", "\\ud800")).code).toBe("lone-surrogate");
  });

  it("finds a double key among many, also when some need decoding", () => {
    const keys = Array.from({ length: 200 }, (_, i) => `"k${i}":${i}`).join(",");
    expect(scan(patient(`"x":{${keys}}`)).id).toBe("p");
    expect(refusal(patient(`"x":{${keys},"k7":0}`)).code).toBe("duplicate-key");
    expect(refusal(patient(`"x":{"a":1,"\\u0062":1,"b":1}`)).code).toBe("duplicate-key");
  });

  it("has a bound on the properties of one object", () => {
    const keys = Array.from({ length: 20_000 }, (_, i) => `"k${i}":0`).join(",");
    expect(refusal(patient(`"x":{${keys}}`)).code).toBe("too-large");
  });
});

describe("JSON that is accepted", () => {
  it.each([
    patient('"x":"\\ud83d\\ude00 \\u0000 \\/ \\" \\\\ \\b\\f\\n\\r\\t"'),
    patient('"x":"Jos\u00e9 \u{1f600} \u007f"'),
    patient('"x":[0,-0,1.10,1e5,1E-5,-0.0e+3,123456789012345678901234567890,1e-400]'),
    patient('"x":{},"y":[],"z":[[],{}]'),
    patient('"__proto__":{"a":1},"constructor":1,"toString":2'),
    `\t{ "resourceType" :\r"Patient" , "id":"p"}\t`,
  ])("%j", (text) => {
    expect(scan(text)).toMatchObject({ type: "Patient", id: "p" });
  });

  it("may stand on many lines when it is a document", () => {
    const text = JSON.stringify({ resourceType: "Patient", id: "p", name: [{ given: ["a"] }] }, null, 2);
    expect(scan(`\n${text}\r\n`, { multiline: true }).id).toBe("p");
    expect(refusal(text).code).toBe("invalid-json");
  });

  it("takes an array of a million numbers", () => {
    expect(scan(patient(`"x":[${"1,".repeat(999_999)}1]`)).id).toBe("p");
  });
});

describe("depth", () => {
  const nested = (depth: number): string => `${'{"x":'.repeat(depth)}1${"}".repeat(depth)}`;
  const lists = (depth: number): string => "[".repeat(depth) + "]".repeat(depth);

  it("is counted in objects and arrays, the resource included", () => {
    expect(scan(patient(`"x":${nested(63)}`)).id).toBe("p");
    expect(refusal(patient(`"x":${nested(64)}`)).code).toBe("too-deep");
    expect(scan(patient(`"x":${lists(63)}`)).id).toBe("p");
    expect(refusal(patient(`"x":${lists(64)}`)).code).toBe("too-deep");
  });

  it("can be raised, and ends the scan early however deep the text is", () => {
    const bytes = Buffer.from(`${patient(`"x":${nested(100)}`)}\n`);
    expect(scanner(128).scan(bytes, 0, bytes.length - 1).id).toBe("p");
    expect(refusal(patient(`"x":${nested(40_000)}`)).code).toBe("too-deep");
    expect(refusal(patient(`"x":${lists(1_000_000)}`)).code).toBe("too-deep");
    expect(refusal(`${'{"extension":['.repeat(50_000)}`).code).toBe("too-deep");
    expect(refusal("[".repeat(1_000_000)).code).toBe("too-deep");
  });

  it("also holds for typed elements", () => {
    const deep = `"extension":[{"url":"u",${'"extension":[{"url":"u",'.repeat(40)}"valueCode":"c"${"}]".repeat(40)}}]`;
    expect(refusal(patient(deep)).code).toBe("too-deep");
  });
});

describe("resources that are refused", () => {
  it.each([
    ["[1,2]", "not-a-resource"],
    ["null", "not-a-resource"],
    ['"text"', "not-a-resource"],
    ["{}", "not-a-resource"],
    ['{"exportId":"e","eventDetail":{"resourceType":"Patient"}}', "not-a-resource"],
    ['{"resourceType":5,"id":"p"}', "not-a-resource"],
    ['{"resourceType":null,"id":"p"}', "not-a-resource"],
    ['{"resourceType":"Pateint","id":"p"}', "unknown-resource-type"],
    ['{"resourceType":"patient","id":"p"}', "unknown-resource-type"],
    ['{"resourceType":"DomainResource","id":"p"}', "unknown-resource-type"],
    ['{"resourceType":"HumanName","id":"p"}', "unknown-resource-type"],
    ['{"resourceType":"__proto__","id":"p"}', "unknown-resource-type"],
    ['{"resourceType":"","id":"p"}', "unknown-resource-type"],
    ['{"resourceType":"Patient"}', "missing-id"],
    ['{"resourceType":"Patient","id":""}', "missing-id"],
    ['{"resourceType":"Patient","id":null}', "missing-id"],
    ['{"resourceType":"Patient","id":"a_b"}', "invalid-id"],
    ['{"resourceType":"Patient","id":"a/b"}', "invalid-id"],
    ['{"resourceType":"Patient","id":"\u00e9"}', "invalid-id"],
    ['{"resourceType":"Patient","id":"a\\u001fb"}', "invalid-id"],
    [`{"resourceType":"Patient","id":"${"x".repeat(65)}"}`, "invalid-id"],
    [patient('"meta":{"versionId":"a b"}'), "invalid-version-id"],
    [patient('"meta":{"versionId":"a\\nb"}'), "invalid-version-id"],
    [patient('"meta":{"lastUpdated":"2024-01-01"}'), "invalid-last-updated"],
    [patient('"meta":{"lastUpdated":"2024-02-30T00:00:00Z"}'), "invalid-last-updated"],
  ])("%j: %s", (text, code) => {
    expect(refusal(text).code).toBe(code);
  });

  it("names the type that was probably meant", () => {
    expect(refusal('{"resourceType":"Pateint","id":"p"}').message).toContain("Did you mean 'Patient'?");
  });

  it("accepts ids of 1 and of 64 characters", () => {
    expect(scan('{"resourceType":"Patient","id":"1"}').id).toBe("1");
    expect(scan(`{"resourceType":"Patient","id":"${"A.-9".repeat(16)}"}`).id).toHaveLength(64);
  });
});

describe("kinds of values", () => {
  it.each([
    ['"birthDate":5', "Patient.birthDate must be a JSON string."],
    ['"birthDate":{"a":1}', "Patient.birthDate must be a JSON string."],
    ['"birthDate":["2020"]', "Patient.birthDate must be a JSON string."],
    ['"active":"true"', "Patient.active must be a JSON boolean."],
    ['"active":1', "Patient.active must be a JSON boolean."],
    ['"name":{"family":"a"}', "Patient.name must be an array of objects."],
    ['"name":"a"', "Patient.name must be an array of objects."],
    ['"name":["a"]', "Patient.name must be an array of objects."],
    ['"name":[[{"family":"a"}]]', "Patient.name must be an array of objects."],
    ['"name":[{"given":"a"}]', "Patient.name.given must be an array of strings."],
    ['"name":[{"given":[{"a":1}]}]', "Patient.name.given must be an array of strings."],
    ['"contained":{"resourceType":"Device"}', "Patient.contained must be an array of objects."],
    ['"contained":["x"]', "Patient.contained must be an array of objects."],
    ['"_birthDate":"x"', "Patient._birthDate must be a JSON object."],
    ['"multipleBirthInteger":"2"', "Patient.multipleBirthInteger must be a JSON number."],
  ])("%s is refused", (property, message) => {
    expect(refusal(patient(property))).toMatchObject({ code: "wrong-kind", message });
  });

  it("lets integers be whole numbers of 32 bits only", () => {
    for (const good of ["2", "-2", "0", "2147483647", "-2147483648", "2.0", "1e2"]) {
      expect(scan(patient(`"multipleBirthInteger":${good}`)).id).toBe("p");
    }
    for (const bad of ["1.5", "2147483648", "-2147483649", "1e10", "99999999999999999999"]) {
      expect(refusal(patient(`"multipleBirthInteger":${bad}`)).code).toBe("number-out-of-range");
    }
  });

  it("leaves decimals as long as they like", () => {
    const value = '"valueQuantity":{"value":1.10000000000000000000000000000000000000001e-30}';
    expect(scan(`{"resourceType":"Observation","id":"o",${value}}`).id).toBe("o");
  });

  it("takes null for an absent value, in and outside of lists", () => {
    expect(
      scan(patient('"birthDate":null,"name":[{"given":[null,"a"],"_given":[{"id":"x"},null]}],"link":null'))
        .id,
    ).toBe("p");
  });

  it("reports broken JSON as such even behind a wrong kind", () => {
    expect(refusal(patient('"birthDate":{"a":')).code).toBe("invalid-json");
    expect(refusal('{"resourceType":"Patient","id":"p","birthDate":{"a":').code).toBe("truncated");
  });
});

describe("observation", () => {
  function observed(...texts: string[]): { paths: readonly string[]; unknown: Record<string, number> } {
    const on = scanner();
    for (const text of texts) {
      try {
        scan(text, {}, on);
        on.keep();
      } catch (error) {
        if (!(error instanceof Rejection)) throw error;
      }
    }
    const [root] = on.observations();
    return { paths: root!.observedPaths(), unknown: Object.fromEntries(root!.unknown) };
  }

  it("collects the leaves of all kept resources", () => {
    const { paths } = observed(
      patient(
        '"name":[{"given":["a"]},{"family":"b"}],"_birthDate":{"extension":[{"url":"u","valueCode":"c"}]}',
      ),
      patient(
        '"contained":[{"resourceType":"Device","id":"d"}],"active":false,"address":[],"link":[{}],"telecom":null',
      ),
    );
    expect(paths).toEqual([
      "_birthDate.extension.url",
      "_birthDate.extension.valueCode",
      "active",
      "contained",
      "id",
      "name.family",
      "name.given",
    ]);
  });

  it("forgets what a refused resource had", () => {
    const { paths, unknown } = observed(
      patient('"active":true'),
      patient('"birthDate":"2020","nickname":1,"active":5'),
    );
    expect(paths).toEqual(["active", "id"]);
    expect(unknown).toEqual({});
  });

  it("counts elements the definition does not have", () => {
    const { paths, unknown } = observed(
      patient('"nickname":"x","name":[{"first":"a"},{"first":"b","family":"c"}]'),
      patient('"nickname":"y","__proto__":1'),
    );
    expect(paths).toEqual(["id", "name.family"]);
    expect(unknown).toEqual({ nickname: 2, "name.first": 2, ["__proto__"]: 1 });
  });

  it("keeps the number of counted unknown elements bounded", () => {
    const many = Array.from({ length: 1000 }, (_, i) => `"x${i}":1`).join(",");
    expect(Object.keys(observed(patient(many)).unknown)).toHaveLength(200);
  });

  it("does not follow elements that are stored as JSON", () => {
    const nested = (n: number): string =>
      n === 0 ? '"valueCode":"c"' : `"extension":[{"url":"u",${nested(n - 1)}}]`;
    const { paths } = observed(patient(nested(5)));
    expect(paths).toEqual([
      "extension.extension.extension",
      "extension.extension.url",
      "extension.url",
      "id",
    ]);
  });
});
