import { ListMultipartUploadsCommand } from "@aws-sdk/client-s3";
import type { S3Access } from "./client.js";

/** Multipart uploads below the lake's prefix that were begun at or before the cutoff and never completed, with their full keys. */
export async function unfinishedUploads(
  access: S3Access,
  cutoffMs: number,
): Promise<{ readonly key: string; readonly uploadId: string }[]> {
  const found: { key: string; uploadId: string }[] = [];
  let marker: { KeyMarker?: string; UploadIdMarker?: string } = {};
  for (;;) {
    const page = await access.client.send(
      new ListMultipartUploadsCommand({
        Bucket: access.settings.bucket,
        Prefix: access.objectKey(""),
        ...marker,
      }),
    );
    for (const { Key, UploadId, Initiated } of page.Uploads ?? []) {
      if (Key === undefined || UploadId === undefined) continue;
      if ((Initiated?.getTime() ?? Number.POSITIVE_INFINITY) <= cutoffMs) {
        found.push({ key: Key, uploadId: UploadId });
      }
    }
    if (page.IsTruncated !== true) return found;
    marker = {
      ...(page.NextKeyMarker === undefined ? {} : { KeyMarker: page.NextKeyMarker }),
      ...(page.NextUploadIdMarker === undefined ? {} : { UploadIdMarker: page.NextUploadIdMarker }),
    };
  }
}
