/** Reports whether the started program answers as a language server: any other program may never answer. */

export interface Startable {
  start(): Promise<void>;
  readonly serverProcess: { kill(signal: 'SIGKILL'): unknown } | undefined;
}

/** Start it. False if it has not answered in time: then its process is ended. Rejects if it does not start. */
export async function answered(client: Startable, withinMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => {
      client.serverProcess?.kill('SIGKILL');
      resolve(false);
    }, withinMs);
  });
  try {
    return await Promise.race([client.start().then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
