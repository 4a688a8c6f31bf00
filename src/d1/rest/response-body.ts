/** A response that is longer than the caller is willing to keep in memory. */
export class BodyTooLarge extends Error {}

/**
 * Reads a response as text, and gives up where it is longer than `maxBytes`: a server whose answer never ends must not
 * fill the memory.
 *
 * @throws BodyTooLarge
 */
export async function readBody(response: Response, maxBytes: number): Promise<string> {
  if (!response.body) return '';
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let text = '';
  let bytes = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    bytes += value.byteLength;
    if (bytes > maxBytes) {
      // Not waited for: a body that is read no more may take its time to end.
      reader.cancel().catch(() => undefined);
      throw new BodyTooLarge();
    }
    text += decoder.decode(value, { stream: true });
  }
}
