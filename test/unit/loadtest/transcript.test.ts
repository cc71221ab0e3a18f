import { describe, expect, test } from 'vitest';
import { Transcript } from '../../../loadtest/k6/transcript.ts';

const faultless = { lost: 0, repeated: 0, outOfOrder: 0, resumeGap: 0 };

/** The kinds of a run's events in the order of their numbers; a chunk is given by its text. */
function transcriptOf(...events: readonly string[]): Transcript {
  const transcript = new Transcript('one two');
  events.forEach((what, index) => transcript.take(runEvent(index + 1, what)));
  return transcript;
}

function runEvent(seq: number, what: string): Parameters<Transcript['take']>[0] {
  const chunk = what.includes('one') || what.includes('two');
  return { seq, data: chunk ? { kind: 'chunk', text: what } : { kind: what } };
}

const whole = ['queued', 'started', 'one ', 'two', 'completed'];

describe('the transcript of a run', () => {
  test('is content with a run that said what it was told and ended once', () => {
    expect(transcriptOf(...whole).end(5)).toEqual({ faults: faultless, wrong: [] });
  });

  test('forgets what was said before the run began anew', () => {
    const transcript = transcriptOf('queued', 'started', 'one ', 'started', 'one ', 'two', 'completed');
    expect(transcript.end(7)).toEqual({ faults: faultless, wrong: [] });
  });

  test('tells the first chunk from the others', () => {
    const transcript = new Transcript('one two');
    expect(whole.map((what, index) => transcript.take(runEvent(index + 1, what)))).toEqual([
      undefined,
      undefined,
      'first chunk',
      undefined,
      undefined,
    ]);
  });

  test.each<[string, string[], number, Partial<typeof faultless>, RegExp[]]>([
    ['that said something else', ['queued', 'started', 'one ', 'completed'], 4, {}, [/said one $/]],
    ['that failed', ['queued', 'started', 'one ', 'two', 'failed'], 5, {}, [/ended with failed/]],
    ['that never ended', ['queued', 'started', 'one ', 'two'], 4, {}, [/ended with nothing/]],
    ['that ended twice', [...whole, 'failed'], 6, {}, [/ended with completed,failed/, /1 events came after/]],
    ['whose topic goes on behind its end', whole, 7, { lost: 2 }, []],
  ])('objects to a run %s', (_, events, head, faults, wrong) => {
    const end = transcriptOf(...events).end(head);
    expect(end.faults).toEqual({ ...faultless, ...faults });
    expect(end.wrong).toEqual(wrong.map((what) => expect.stringMatching(what)));
  });

  test('counts events that were lost and that came twice', () => {
    const transcript = transcriptOf('queued');
    for (const [seq, what] of [
      [3, 'one '],
      [3, 'one '],
      [4, 'two'],
      [5, 'completed'],
    ] as const) {
      transcript.take(runEvent(seq, what));
    }
    expect(transcript.end(5)).toEqual({ faults: { ...faultless, lost: 1, repeated: 1 }, wrong: [] });
  });
});
