import { expect, test } from 'vitest';
import { runtimeFault } from '../../../services/gateway/uws/check-runtime.ts';

const here = { version: 'v22.23.3', versions: { modules: '127' }, platform: 'linux', arch: 'x64' };

test('the runtime of these tests can serve', () => {
  expect(runtimeFault()).toBeUndefined();
});

test('Node 20 and 22 can serve', () => {
  expect(runtimeFault(here)).toBeUndefined();
  expect(runtimeFault({ ...here, version: 'v20.20.2', versions: { modules: '115' } })).toBeUndefined();
});

test('a Node without a binary is told which one to take, in one line', () => {
  const fault = runtimeFault({ ...here, version: 'v24.1.0', versions: { modules: '137' } });
  expect(fault).toContain('v24.1.0');
  expect(fault).toContain('Node 22');
  expect(fault).not.toContain('\n');
});

test('a machine without a binary is named', () => {
  expect(runtimeFault({ ...here, arch: 'riscv64' })).toContain('linux-riscv64');
});
