import type { Arrays, NdArray, StateHandle } from '@dm/ops';
import type { CompilerOptions, Segment, Specialization } from '../compile.js';
import type { TensorSpec, TensorSpecs } from '../graph/graph.js';
import type { Port } from '../graph/port.js';
import { emptyArray } from '../runtime/arrays.js';
import type { DeviceBinding, DeviceMemory, DeviceSession, DeviceTensor, DeviceTensors } from '../runtime/runtime.js';
import { DeviceState } from './device-state.js';
import type { Execution, Step, StepResult } from './execution.js';

/** Runs a program's graphs on a device, with the state in its memory. Each call copies inputs in and outputs out. */
export class DeviceExecution implements Execution<DeviceSession, DeviceState> {
  private readonly steps = new Set<DeviceStep>();

  /** `owner` is the engine. */
  constructor(
    private readonly owner: object,
    readonly compiler: CompilerOptions<DeviceSession>,
    private readonly memory: DeviceMemory,
  ) {}

  load(arrays: Arrays): Promise<DeviceState> {
    return DeviceState.load(this.owner, this.memory, arrays);
  }

  owns(handle: StateHandle): handle is DeviceState {
    return handle instanceof DeviceState && handle.owner === this.owner;
  }

  async bind(specialization: Specialization<DeviceSession>, state: DeviceState): Promise<Step> {
    const step = await DeviceStep.open(specialization, state, this.memory);
    this.steps.add(step);
    state.onDispose(() => {
      this.steps.delete(step);
      void step.release(); // queued before the state's own tensors are freed
    });
    return step;
  }

  async dispose(): Promise<void> {
    await Promise.all(Array.from(this.steps, (step) => step.release()));
    this.steps.clear();
  }
}

/** The array and the device's tensor of an input or output. */
interface Transfer {
  readonly name: string;
  readonly spec: TensorSpec;
  readonly tensor: DeviceTensor;
}

/** A program bound to one state: tensors for its inputs and outputs, and one binding per position of the state. */
class DeviceStep implements Step {
  private readonly bindings = new Map<string, DeviceBinding>();

  private constructor(
    private readonly specialization: Specialization<DeviceSession>,
    private readonly state: DeviceState,
    private readonly memory: DeviceMemory,
    private readonly inputs: readonly Transfer[],
    private readonly outputs: readonly Transfer[],
  ) {}

  static async open(
    specialization: Specialization<DeviceSession>,
    state: DeviceState,
    memory: DeviceMemory,
  ): Promise<DeviceStep> {
    const allocated: DeviceTensor[] = [];
    const allocate = async (specs: TensorSpecs): Promise<Transfer[]> => {
      const transfers: Transfer[] = [];
      for (const [name, spec] of Object.entries(specs)) {
        const tensor = await memory.allocate(spec);
        allocated.push(tensor);
        transfers.push({ name, spec, tensor });
      }
      return transfers;
    };
    try {
      await state.allocateTargets(specialization.swaps);
      const { input, output } = specialization.buffers;
      return new DeviceStep(specialization, state, memory, await allocate(input), await allocate(output));
    } catch (error) {
      await memory.free(allocated);
      throw error;
    }
  }

  async compute(arrays: Arrays): Promise<StepResult> {
    const { memory, inputs, outputs } = this;
    const began = performance.now();
    const sources = inputs.map(({ name, spec }): NdArray => ({ ...spec, data: arrays[name]!.data }));
    await memory.upload(
      sources,
      inputs.map(({ tensor }) => tensor),
    );
    const binding = await this.binding();
    await binding.run();
    const results = outputs.map(({ spec }) => emptyArray(spec));
    await memory.download(
      outputs.map(({ tensor }) => tensor),
      results,
    );
    return {
      outputs: Object.fromEntries(outputs.map(({ name }, i) => [name, results[i]!])),
      sessionMs: performance.now() - began,
      copiedBytes: [...sources, ...results].reduce((bytes, { data }) => bytes + data.byteLength, 0),
      update: undefined,
    };
  }

  async release(): Promise<void> {
    const bindings = [...this.bindings.values()];
    this.bindings.clear();
    await Promise.all([
      ...bindings.map((binding) => binding.release()),
      this.memory.free([...this.inputs, ...this.outputs].map(({ tensor }) => tensor)),
    ]);
  }

  /** The binding for the buffers in which the state is now. */
  private async binding(): Promise<DeviceBinding> {
    const { position } = this.state;
    const known = this.bindings.get(position);
    if (known !== undefined) return known;
    const { session, reads, writes } = this.specialization.main;
    const tensorsOf = (slices: Segment<DeviceSession>['reads']): DeviceTensors =>
      Object.fromEntries(slices.map(({ name, port }) => [name, this.tensor(port)]));
    const binding = await session.bind(tensorsOf(reads), tensorsOf(writes));
    this.bindings.set(position, binding);
    return binding;
  }

  private tensor({ kind, name }: Port): DeviceTensor {
    if (kind === 'state') return this.state.current(name);
    if (kind === 'next') return this.state.target(name);
    return (kind === 'input' ? this.inputs : this.outputs).find((transfer) => transfer.name === name)!.tensor;
  }
}
