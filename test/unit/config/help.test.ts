import { expect, test } from 'vitest';
import { helpText } from '../../../shared/config/help.ts';
import { optionList } from '../../../shared/config/options.ts';

test.each(['gateway', 'worker', 'standalone'] as const)(
  'the whole --help of %s is as it was agreed',
  async (service) => {
    await expect(helpText(service)).toMatchFileSnapshot(`../../fixtures/config/${service}-help.txt`);
  },
);

test('every option has a name of its own, and help of one line that fits a terminal', () => {
  expect(new Set(optionList.map((option) => option.env)).size).toBe(optionList.length);
  const unfit = optionList.filter((option) => !/^[A-Z][^\n]{5,90}\.$/.test(option.help));
  expect(unfit).toEqual([]);
});
