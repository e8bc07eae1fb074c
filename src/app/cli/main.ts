#!/usr/bin/env node
import { run } from "./run.js";

// A reader such as `head` may stop early: what is left to print is then for nobody, and that is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});

process.exitCode = await run(process.argv.slice(2), process.env);
