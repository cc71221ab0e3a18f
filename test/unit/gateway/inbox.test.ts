import { describe, expect, it } from 'vitest';
import { Inbox } from '../../../services/gateway/core/inbox.ts';

const frame = (n: number): Uint8Array => Uint8Array.of(n);

describe('the inbox of a connection', () => {
  it('lets so many requests run at once, keeps the next, and gives them back in order', () => {
    const inbox = new Inbox(2, 0);
    for (let i = 0; i < 2; i += 1) {
      expect(inbox.admit(frame(i), false)).toBe('now');
      inbox.started();
    }
    expect(inbox.admit(frame(2), false)).toBe('later');
    expect(inbox.next()).toBeUndefined();
    inbox.ended();
    // One has ended, but what waits goes first.
    expect(inbox.admit(frame(3), true)).toBe('later');
    expect(inbox.next()).toEqual({ bytes: frame(2), binary: false });
    expect(inbox.next()).toEqual({ bytes: frame(3), binary: true });
    expect(inbox.next()).toBeUndefined();
  });

  it('keeps a copy of what waits, for the server takes its bytes back', () => {
    const inbox = new Inbox(1, 0);
    inbox.started();
    const bytes = frame(7);
    inbox.admit(bytes, false);
    bytes[0] = 0;
    inbox.ended();
    expect(inbox.next()?.bytes).toEqual(frame(7));
  });

  it('holds everything back while it is held, and is not idle then', () => {
    const inbox = new Inbox(8, 0);
    inbox.hold();
    expect(inbox.idle).toBe(false);
    expect(inbox.admit(frame(1), false)).toBe('later');
    expect(inbox.next()).toBeUndefined();
    inbox.release();
    expect(inbox.next()?.bytes).toEqual(frame(1));
    expect(inbox.idle).toBe(true);
  });

  it('is held until each who holds it lets go', () => {
    const inbox = new Inbox(8, 0);
    inbox.hold();
    inbox.hold();
    inbox.admit(frame(1), false);
    inbox.release();
    expect(inbox.next()).toBeUndefined();
    inbox.release();
    expect(inbox.next()?.bytes).toEqual(frame(1));
  });

  it('refuses what is over its bytes, and takes requests again when there is room', () => {
    const inbox = new Inbox(1, 0);
    inbox.started();
    const mebibyte = new Uint8Array(1024 * 1024);
    for (let i = 0; i < 16; i += 1) expect(inbox.admit(mebibyte, true)).toBe('later');
    expect(inbox.admit(frame(1), false)).toBe('refused');
    inbox.ended();
    inbox.next();
    expect(inbox.admit(mebibyte, true)).toBe('later');
  });

  it('calls a flooder who is refused a thousand times in a row, and nobody who had one taken in between', () => {
    const inbox = new Inbox(1, 0);
    for (let round = 0; round < 3; round += 1) {
      expect(inbox.admit(frame(1), false)).toBe('now');
      for (let i = 0; i < 1000; i += 1) expect(inbox.refuse()).toBe('refused');
    }
    expect(inbox.refuse()).toBe('flooding');
  });

  it('lets nobody hold up the process by frames that keep coming in one turn of it', () => {
    const inbox = new Inbox(8, 0);
    const hogs = (turn: number, frames: number, from: number, to: number): boolean =>
      Array.from({ length: frames }, (_, i) => inbox.hogs(turn, i < frames - 1 ? from : to)).includes(true);
    // Few frames in a turn that is long for another reason; many in a short one; and both.
    expect(hogs(1, 10_000, 0, 5000)).toBe(false);
    expect(hogs(2, 30_000, 5000, 5500)).toBe(false);
    expect(hogs(3, 30_000, 6000, 6501)).toBe(true);
    expect(hogs(4, 10_000, 7000, 9000)).toBe(false);
  });

  it('counts the messages of each second of the clock for itself', () => {
    const inbox = new Inbox(8, 2);
    expect([999, 1000, 1001, 1999, 2000].map((now) => inbox.tooFast(now))).toEqual([false, false, false, true, false]);
    const unlimited = new Inbox(8, 0);
    expect(Array.from({ length: 100 }, () => unlimited.tooFast(1)).includes(true)).toBe(false);
  });
});
