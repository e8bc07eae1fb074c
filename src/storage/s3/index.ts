export { S3Store } from "./s3-store.js";
export { s3Settings } from "./settings.js";
