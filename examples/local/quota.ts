/** Cloudflare's limit on API requests: so many in a window, then nothing until the window ends. */
export interface QuotaOptions {
  /** Default 1,200. */
  requests?: number;
  /** Default 300,000: five minutes. */
  windowMs?: number;
}

export interface Quota {
  /** Counts a request. Gives the headers of its answer, and whether it is refused. */
  count(): { refused: boolean; headers: Record<string, string> };
}

/** A fixed window that opens with the first request, as Cloudflare's headers describe it. */
export function createQuota({ requests = 1_200, windowMs = 300_000 }: QuotaOptions): Quota {
  let used = 0;
  let endsAt = 0;
  return {
    count() {
      const now = performance.now();
      if (now >= endsAt) {
        used = 0;
        endsAt = now + windowMs;
      }
      used++;
      const left = Math.max(0, requests - used);
      const seconds = Math.max(1, Math.ceil((endsAt - now) / 1000));
      const headers: Record<string, string> = {
        Ratelimit: `"default";r=${left};t=${seconds}`,
        'Ratelimit-Policy': `"default";q=${requests};w=${Math.ceil(windowMs / 1000)}`,
      };
      const refused = used > requests;
      if (refused) headers['retry-after'] = String(seconds);
      return { refused, headers };
    },
  };
}
