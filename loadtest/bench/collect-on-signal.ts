/**
 * Loaded into a server under measurement, ahead of the server itself: on SIGUSR2 it collects all garbage. Without it
 * the memory of a process says more about when V8 last cleaned up than about what a connection costs.
 */
process.on('SIGUSR2', () => {
  const collect = globalThis.gc as
    | ((how: { type: 'major'; execution: 'sync'; flavor: 'last-resort' }) => void)
    | undefined;
  collect?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
  process.stdout.write('collected\n');
});
