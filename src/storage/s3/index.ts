export { S3Store } from "./s3-store.js";
export { type S3Settings, s3Settings } from "./settings.js";
