/** When the extension's code began to be loaded. Imported first. */

export const began = performance.now();
