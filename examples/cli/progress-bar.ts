import type { ProgressEvent } from 'resumable-migrator';

const shortestBar = 10;

/** One line that says where a run stands. Shorter where the terminal is narrow. */
export function progressLine(progress: ProgressEvent, columns: number): string {
  const { rows, totalRows, percent, completedCheckpoints, totalCheckpoints, rowsPerSecond } = progress;
  const facts = [
    `${percent.toFixed(1)}%`,
    `${Math.round(rowsPerSecond)} rows/s`,
    `${duration(progress.remainingMs)} left`,
    `${rows}/${totalRows} records`,
    `${completedCheckpoints}/${totalCheckpoints} checkpoints`,
  ];
  // One column stays free: some terminals wrap when the last one is filled.
  const room = columns - 1;
  while (facts.length > 1 && facts.join('  ').length + 2 + shortestBar > room) facts.pop();
  const text = facts.join('  ');
  const width = Math.min(30, room - text.length - 2);
  if (width < shortestBar) return text;
  const filled = Math.round((percent / 100) * width);
  return `${'█'.repeat(filled)}${'░'.repeat(width - filled)}  ${text}`;
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
