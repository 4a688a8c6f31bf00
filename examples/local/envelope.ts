/** Cloudflare's answer around every result, as its REST API sends it. */
export interface Envelope<Result> {
  success: boolean;
  errors: { code: number; message: string }[];
  messages: { code: number; message: string }[];
  result: Result;
}

/** The JSON text of a refusal. */
export function failureText(code: number, message: string): string {
  const envelope: Envelope<null> = {
    success: false,
    errors: [{ code, message }],
    messages: [],
    result: null,
  };
  return JSON.stringify(envelope);
}

/** The JSON text of a success around a result that is JSON text already. */
export function successText(resultText: string): string {
  return `{"result":${resultText},"success":true,"errors":[],"messages":[]}`;
}

/** Header in which the inner Worker tells the API server what each table gained; never sent to clients. */
export const CHANGES_HEADER = 'x-local-rows-changed';
