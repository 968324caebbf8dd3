import { expect, it } from 'vitest';
import { DmError, type DmErrorOptions } from './errors.js';

class FileError extends DmError<'FILE_INVALID' | 'FILE_MISSING'> {
  override readonly name = 'FileError';

  constructor(message: string, options: DmErrorOptions<'FILE_INVALID' | 'FILE_MISSING'> = {}) {
    super(message, { code: 'FILE_INVALID', ...options });
  }
}

it('is an Error with a code', () => {
  const error = new DmError('too long', { code: 'LENGTH' });
  expect(error).toBeInstanceOf(Error);
  expect(error).toMatchObject({ name: 'DmError', message: 'too long', code: 'LENGTH' });
  expect(Object.hasOwn(error, 'cause')).toBe(false);
});

it('keeps the cause', () => {
  const cause = new Error('the disk');
  expect(new DmError('not read', { code: 'READ', cause }).cause).toBe(cause);
});

it('lets subclasses have a default code and override it', () => {
  expect(new FileError('x')).toMatchObject({ name: 'FileError', code: 'FILE_INVALID' });
  expect(new FileError('x', { code: 'FILE_MISSING' }).code).toBe('FILE_MISSING');
  expect(new FileError('x')).toBeInstanceOf(DmError);
});
