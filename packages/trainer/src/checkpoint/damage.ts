import { UserError } from '../errors.js';

/** The error for a checkpoint that is damaged or incomplete. */
export function damaged(message: string): UserError {
  return new UserError(message, { code: 'CHECKPOINT_INVALID' });
}

/** Whether an error of `readCheckpoint` means that the checkpoint is damaged. */
export function isDamage(error: unknown): error is UserError {
  return error instanceof UserError && ['CHECKPOINT_INVALID', 'CHECKPOINT_NOT_FOUND'].includes(error.code);
}
