/** What the server says in words, made fit for where the language client shows it by itself. */

import { inLabel, inLog, inMessage } from './foreignText';

/** The fields of a JSON-RPC message that this module reads. */
interface Message {
  readonly method?: string;
  readonly params?: unknown;
  readonly error?: unknown;
}

type Fields = Readonly<Record<string, unknown>>;

const INSIDE: Readonly<Record<string, (params: Fields) => Fields>> = {
  'window/showMessage': (params) => ({ ...params, ...each(params, ['message'], inMessage) }),
  'window/showMessageRequest': (params) => ({ ...params, ...each(params, ['message'], inMessage) }),
  'window/logMessage': (params) => ({ ...params, ...each(params, ['message'], inLog) }),
  // The status bar shows it.
  '$/progress': (params) => ({ ...params, value: progress(params.value) }),
};

/** The message, with all the words in it that are shown. */
export function fitToShow<M extends object>(message: M): M {
  const { method, params, error } = message as Message;
  if (hasFields(error)) {
    return { ...message, error: { ...error, ...each(error, ['message'], inMessage) } };
  }
  const inside = method === undefined ? undefined : INSIDE[method];
  return inside === undefined || !hasFields(params) ? message : { ...message, params: inside(params) };
}

function progress(value: unknown): unknown {
  return hasFields(value) && typeof value.kind === 'string'
    ? { ...value, ...each(value, ['title', 'message'], inLabel) }
    : value;
}

function each(of: Fields, names: readonly string[], change: (text: string) => string): Fields {
  const texts = names.map((name) => [name, of[name]] as const);
  return Object.fromEntries(
    texts.flatMap(([name, text]) => (typeof text === 'string' ? [[name, change(text)]] : [])),
  );
}

function hasFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
