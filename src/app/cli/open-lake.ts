import { Lake } from "#lake";
import type { Invocation } from "./command.js";
import { lakeLocation, memoryLimit } from "./option-value.js";

/** Opens the lake that the common options name, runs `work`, and closes it. */
export async function withLake<T>(
  invocation: Invocation,
  work: (lake: Lake) => Promise<T>,
  options: { readonly mustExist?: boolean } = {},
): Promise<T> {
  const memoryLimitBytes = memoryLimit(invocation);
  const lake = await Lake.open({
    location: lakeLocation(invocation),
    ...(memoryLimitBytes === undefined ? {} : { memoryLimitBytes }),
    mustExist: options.mustExist ?? false,
  });
  try {
    return await work(lake);
  } finally {
    await lake.close();
  }
}
