/** The versions of Node's binary interface that the pinned package has binaries for: Node 18, 20, 21 and 22. */
const supportedAbis = ['108', '115', '120', '127'];
const supportedMachines = ['linux-x64', 'linux-arm64', 'linux-arm', 'darwin-x64', 'darwin-arm64', 'win32-x64'];

export interface Runtime {
  version: string;
  versions: { modules: string };
  platform: string;
  arch: string;
}

/**
 * What keeps this process from serving, in one line for the one who started it. To be asked before anything that
 * imports the adapter is loaded: without a binary that import throws, with a message that says nothing of versions.
 */
export function runtimeFault(runtime: Runtime = process): string | undefined {
  const machine = `${runtime.platform}-${runtime.arch}`;
  if (!supportedMachines.includes(machine)) {
    return `The gateway has no WebSocket server for ${machine}; it runs on ${supportedMachines.join(', ')}.`;
  }
  if (!supportedAbis.includes(runtime.versions.modules)) {
    return `The gateway has no WebSocket server for Node ${runtime.version}; start it with Node 22 (20 works, too).`;
  }
  return undefined;
}
