/**
 * The version counts up when a client written for the one before would misread a frame; a field or a request more is
 * no new version. `docs/protocol.md` tells what each one changed.
 */
export const protocolVersion = 1;
export const oldestSupportedVersion = 1;

export const subprotocols = { json: 'agentwire.v1.json', msgpack: 'agentwire.v1.msgpack' } as const;

/** The highest version that both sides speak. */
export function chooseVersion(offered: readonly number[]): number | undefined {
  let best: number | undefined;
  for (const version of offered) {
    const spoken = Number.isInteger(version) && version >= oldestSupportedVersion && version <= protocolVersion;
    if (spoken && (best === undefined || version > best)) best = version;
  }
  return best;
}
