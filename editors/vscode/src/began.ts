/** When the extension's code began to run. Imported first. */

export const began = performance.now();
