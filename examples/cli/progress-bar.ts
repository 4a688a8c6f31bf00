import type { ProgressEvent } from 'resumable-migrator';

const shortestBar = 10;

/** One line that says where a run stands. Shorter where the terminal is narrow. */
export function progressLine(progress: ProgressEvent, columns: number): string {
  return progressLines([progress], columns)[0] ?? '';
}

/** A line for each, with bars of one length and figures below each other. */
export function progressLines(all: readonly ProgressEvent[], columns: number): string[] {
  const facts = all.map(factsOf);
  const widths = (facts[0] ?? []).map((_, index) => Math.max(...facts.map((one) => one[index]?.length ?? 0)));
  const length = (): number => widths.reduce((sum, width) => sum + width, 0) + 2 * (widths.length - 1);
  // One column stays free: some terminals wrap when the last one is filled.
  const room = columns - 1;
  while (widths.length > 1 && length() + 2 + shortestBar > room) widths.pop();
  const width = Math.min(30, room - length() - 2);
  return all.map(({ percent }, row) => {
    const text = widths.map((most, index) => facts[row]?.[index]?.padStart(most)).join('  ');
    if (width < shortestBar) return text;
    const filled = Math.round((percent / 100) * width);
    return `${'█'.repeat(filled)}${'░'.repeat(width - filled)}  ${text}`;
  });
}

function factsOf(progress: ProgressEvent): string[] {
  const { rows, totalRows, percent, completedCheckpoints, totalCheckpoints, rowsPerSecond } = progress;
  return [
    `${percent.toFixed(1)}%`,
    `${Math.round(rowsPerSecond)} rows/s`,
    `${duration(progress.remainingMs)} left`,
    `${rows}/${totalRows} records`,
    `${completedCheckpoints}/${totalCheckpoints} checkpoints`,
  ];
}

/** `6 s`, `4 min 20 s`, `2 h 5 min`; `?` while unknown. */
export function duration(milliseconds: number | null): string {
  if (milliseconds === null) return '?';
  const seconds = Math.ceil(milliseconds / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
