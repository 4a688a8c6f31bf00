/**
 * Works until it is done or its time is over: what is not worth waiting for is not waited for.
 *
 * @returns False where the time was over first. The host's own signal rejects as ever.
 */
export async function withDeadline(
  milliseconds: number,
  signal: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<boolean> {
  const over = new AbortController();
  const timer = setTimeout(
    () => over.abort(new DOMException('Looking took too long.', 'AbortError')),
    milliseconds,
  );
  try {
    await work(signal ? AbortSignal.any([signal, over.signal]) : over.signal);
    return true;
  } catch (error) {
    if (!over.signal.aborted || signal?.aborted) throw error;
    return false;
  } finally {
    clearTimeout(timer);
  }
}
