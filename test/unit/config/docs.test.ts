import { expect, test } from 'vitest';
import { configurationPage } from '../../../shared/config/docs.ts';

test('the page on configuration says what the table of options says', async () => {
  await expect(configurationPage()).toMatchFileSnapshot('../../../docs/configuration.md');
});
