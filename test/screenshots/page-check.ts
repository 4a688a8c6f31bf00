import type { Page } from 'playwright-core';

/** What a reader could not read: content beside the page, text cut off, text too pale on what it stands on. */
export async function problemsOf(page: Page): Promise<string[]> {
  return await page.evaluate(() => {
    const problems: string[] = [];
    const root = document.documentElement;
    if (root.scrollWidth > root.clientWidth)
      problems.push(`the page is ${root.scrollWidth} wide, and the window ${root.clientWidth}`);
    const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    if (!canvas) return ['no canvas to measure colours with'];

    /** Colours as drawn, one over the other: whatever way they were written in. */
    const drawn = (colours: readonly string[]): number[] => {
      canvas.clearRect(0, 0, 1, 1);
      for (const colour of colours) {
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
      }
      return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
    };
    const luminance = (colour: number[]): number => {
      const [r = 0, g = 0, b = 0] = colour.map((value) =>
        value <= 10 ? value / 3294.6 : ((value / 255 + 0.055) / 1.055) ** 2.4,
      );
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    for (const element of document.querySelectorAll('body *')) {
      const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.nodeValue?.trim());
      if (!own || element.closest('svg') || element.getClientRects().length === 0) continue;
      const behind: string[] = [];
      for (let at: Element | null = element; at; at = at.parentElement)
        behind.unshift(getComputedStyle(at).backgroundColor);
      const [a, b] = [drawn(behind), drawn([...behind, getComputedStyle(element).color])].map(luminance);
      const ratio = (Math.max(a ?? 0, b ?? 0) + 0.05) / (Math.min(a ?? 0, b ?? 0) + 0.05);
      const text = element.textContent.trim().slice(0, 30);
      if (ratio < 4.5) problems.push(`"${text}" has a contrast of ${ratio.toFixed(2)} only`);
      const { overflowX } = getComputedStyle(element);
      if (overflowX === 'hidden' && element.scrollWidth > element.clientWidth + 1)
        problems.push(`"${text}" is cut off`);
    }
    return problems;
  });
}
