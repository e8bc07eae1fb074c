/**
 * Lets calls of something that looks a state up share their runs: a call while a run is under way waits for its end and shares the next with
 * everybody who came meanwhile. So whoever calls gets what was looked up after the call, and two runs a moment apart are one. A failure
 * reaches all who shared the run.
 */
export function shareCalls<Result>(work: () => Promise<Result>): () => Promise<Result> {
  let running: Promise<Result> | undefined;
  let next: Promise<Result> | undefined;
  const start = (): Promise<Result> => {
    const run = work();
    running = run;
    const ended = (): void => {
      if (running === run) running = undefined;
    };
    run.then(ended, ended);
    return run;
  };
  return () => {
    if (running === undefined) return start();
    const before = running.then(
      () => undefined,
      () => undefined,
    );
    next ??= before.then(() => {
      next = undefined;
      return start();
    });
    return next;
  };
}
