import type { Output, Progress } from "./output.js";

/** A progress display of work in phases. */
export interface PhaseProgress<Phase extends string> {
  update(phase: Phase, done: number, total: number, what?: string): void;
  stop(): void;
}

/** One bar per phase under its label, begun when the phase is first heard of. */
export function phaseProgress<Phase extends string>(
  output: Output,
  labels: Readonly<Record<Phase, string>>,
): PhaseProgress<Phase> {
  let current: { phase: Phase; progress: Progress } | undefined;
  return {
    update: (phase, done, total, what) => {
      if (current?.phase !== phase) {
        current?.progress.stop();
        current = { phase, progress: output.progress(labels[phase]) };
      }
      current.progress.update(done, total, what);
    },
    stop: () => current?.progress.stop(),
  };
}
