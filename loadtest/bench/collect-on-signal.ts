/**
 * Loaded into a process under measurement, ahead of its program: on SIGUSR2 it collects all garbage. Without it the
 * memory of a process says more about when V8 last cleaned up than about what a connection costs.
 */
export function collectGarbage(): void {
  const collect = globalThis.gc as
    | ((how: { type: 'major'; execution: 'sync'; flavor: 'last-resort' }) => void)
    | undefined;
  collect?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
}

process.on('SIGUSR2', () => {
  collectGarbage();
  process.stdout.write('collected\n');
});
