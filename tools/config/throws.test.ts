import { describe, expect, it } from 'vitest';

class CodedError extends Error {
  constructor(
    message: string,
    readonly code: string,
  ) {
    super(message);
  }
}

const fails = () => {
  throw new CodedError('3.png: 28 pixels', 'DATA');
};

const messageOf = (check: () => void): string => {
  try {
    check();
  } catch (error) {
    return (error as Error).message;
  }
  return 'passes';
};

describe('toThrowWith', () => {
  it('compares class, code, and parts of the message', () => {
    expect(fails).toThrowWith({ type: CodedError });
    expect(fails).toThrowWith({ code: 'DATA', contains: '3.png' });
    expect(fails).toThrowWith({ type: CodedError, code: 'DATA', contains: ['28', '3.png'] });
  });

  it.each([
    ['another class', fails, { type: RangeError }, 'RangeError'],
    ['another code', fails, { code: 'FILE' }, 'not DATA'],
    ['no code', () => 'x'.repeat(-1), { code: 'FILE' }, 'not undefined'],
    ['another value', fails, { code: 'DATA', contains: ['3.png', '29'] }, '["29"]'],
    ['no error', () => 1, { type: Error }, 'returned 1'],
    ['a promise', async () => 1, { type: Error }, 'returned [object Promise]'],
    ['an error that is not thrown', new CodedError('x', 'DATA'), { code: 'DATA' }, 'takes a function'],
  ])('fails on %s', (_, received, expected, reason) => {
    expect(messageOf(() => expect(received).toThrowWith(expected))).toContain(reason);
  });

  it('accepts promises after rejects', async () => {
    await expect((async () => fails())()).rejects.toThrowWith({ code: 'DATA', contains: ['28'] });
    const wrong = async () => expect((async () => fails())()).rejects.toThrowWith({ code: 'FILE' });
    await expect(wrong()).rejects.toThrowWith({ type: Error, contains: 'not DATA' });
    const resolved = async () => expect(Promise.resolve(1)).rejects.toThrowWith({ code: 'DATA' });
    await expect(resolved()).rejects.toThrowWith({ type: Error, contains: 'resolved' });
  });
});
