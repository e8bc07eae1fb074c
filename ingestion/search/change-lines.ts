/** A delete as the lake takes it in. */
export interface DeleteFacts {
  readonly type: string;
  readonly id: string;
  /** FHIR instant; without it the batch's transactionTime counts. */
  readonly lastModified?: string | undefined;
  /** The version that the delete made. */
  readonly versionId?: string | undefined;
}

/** One line of a `changes` file: a Bundle with the delete as its only entry, so that a bad one is refused alone. */
export function deleteLine(facts: DeleteFacts): string {
  const response = {
    ...(facts.lastModified === undefined ? {} : { lastModified: facts.lastModified }),
    ...(facts.versionId === undefined ? {} : { etag: `W/"${facts.versionId}"` }),
  };
  const request = { method: "DELETE", url: `${facts.type}/${facts.id}` };
  return JSON.stringify({ resourceType: "Bundle", type: "history", entry: [{ request, response }] });
}

/** One line of a `changes` file: a version of a resource, its text untouched. */
export function versionLine(text: string): string {
  return `{"resourceType":"Bundle","type":"history","entry":[{"resource":${text}}]}`;
}
