import type { Browser } from 'playwright-core';

/** What a picture left: its files, and what is wrong with what they show. */
export interface Taken {
  readonly files: readonly string[];
  readonly problems: readonly string[];
}

/** Takes one or several pictures, and writes them into a folder. */
export type Picture = (browser: Browser, folder: string) => Promise<Taken>;
