import { DataError } from '@dm/data';
import { DmError } from '@dm/ops';
import { describe, expect, it } from 'vitest';
import { codeOf, deserializeError, isFault, serializeError, UserError } from './errors.js';

const noSpace = Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' });

describe('UserError', () => {
  it('is a DmError whose code has a default', () => {
    expect(new UserError('x')).toBeInstanceOf(DmError);
    expect(new UserError('x')).toMatchObject({ name: 'UserError', code: 'OPTION_INVALID' });
  });
});

describe('isFault', () => {
  it.each([new TypeError('x'), new ReferenceError('x')])('%s is a mistake in the program', (error) => {
    expect(isFault(error)).toBe(true);
  });

  it.each([new UserError('x'), new DataError('x'), new RangeError('x'), noSpace, 'a string'])('%s is not', (error) => {
    expect(isFault(error)).toBe(false);
  });
});

describe('codeOf', () => {
  it('is that of a DmError or of the operating system', () => {
    expect(codeOf(new DataError('x', { code: 'DATA_NOT_FOUND' }))).toBe('DATA_NOT_FOUND');
    expect(codeOf(noSpace)).toBe('ENOSPC');
    expect(codeOf(new Error('x'))).toBeUndefined();
    expect(codeOf('a string')).toBeUndefined();
  });
});

describe('serializeError', () => {
  it.each([new UserError('u'), new TypeError('t'), new ReferenceError('r'), new RangeError('a'), new Error('e')])(
    'brings back the class, message and stack of %s',
    (error) => {
      const back = deserializeError(structuredClone(serializeError(error)));
      expect(back.constructor).toBe(error.constructor);
      expect(back).toMatchObject({ name: error.name, message: error.message, stack: error.stack });
      expect(codeOf(back)).toBe(codeOf(error));
    },
  );

  it('brings back the code of an error of the operating system', () => {
    expect(deserializeError(serializeError(noSpace))).toMatchObject({ name: 'Error', code: 'ENOSPC' });
  });

  it('brings back an error of another package as a DmError of the same code', () => {
    const back = deserializeError(serializeError(new DataError('d', { code: 'DATA_CORRUPT' })));
    expect(back).toBeInstanceOf(DmError);
    expect(back).toMatchObject({ message: 'd', code: 'DATA_CORRUPT' });
  });

  it('takes anything thrown', () => {
    expect(deserializeError(serializeError('a string'))).toMatchObject({ name: 'Error', message: 'a string' });
  });
});
