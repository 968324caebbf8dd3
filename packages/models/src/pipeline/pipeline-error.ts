import { DmError, type DmErrorOptions } from '@dm/ops';

/** - `PIPELINE_UNSUPPORTED`: a model, scheduler, or component cannot be converted from or to a pipeline of diffusers. */
export type PipelineErrorCode = 'PIPELINE_UNSUPPORTED';

/** A pipeline of diffusers that this package cannot read or write. The message names the file and the field. */
export class PipelineError extends DmError<PipelineErrorCode> {
  override readonly name = 'PipelineError';

  constructor(message: string, options: DmErrorOptions<PipelineErrorCode> = {}) {
    super(message, { code: 'PIPELINE_UNSUPPORTED', ...options });
  }
}
