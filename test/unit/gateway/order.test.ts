import { expect, it } from 'vitest';
import { Order } from '../../../services/gateway/core/order.ts';

interface Work {
  begin: () => Promise<void>;
  end: () => void;
}

/** Works that say when they begin, and end when they are told to. */
function works(began: string[]): (name: string) => Work {
  return (name) => {
    let end = (): void => {};
    const ended = new Promise<void>((resolve) => (end = resolve));
    const begin = (): Promise<void> => {
      began.push(name);
      return ended;
    };
    return { begin, end };
  };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

it('lets those that go together begin at once, and those that go alone after all before them', async () => {
  const began: string[] = [];
  const work = works(began);
  const order = new Order();
  const [one, two, alone, three, last] = ['one', 'two', 'alone', 'three', 'last'].map(work) as [
    Work,
    Work,
    Work,
    Work,
    Work,
  ];
  order.together(one.begin);
  order.together(two.begin);
  order.alone(alone.begin);
  order.together(three.begin);
  order.alone(last.begin);
  expect(began).toEqual(['one', 'two']);
  two.end();
  await settled();
  expect(began).toEqual(['one', 'two']);
  one.end();
  await settled();
  expect(began).toEqual(['one', 'two', 'alone']);
  alone.end();
  await settled();
  expect(began).toEqual(['one', 'two', 'alone', 'three']);
  three.end();
  await settled();
  expect(began).toEqual(['one', 'two', 'alone', 'three', 'last']);
});
