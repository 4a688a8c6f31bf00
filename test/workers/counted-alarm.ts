import worker, { TableCopy as Original } from '../../examples/worker-alarm/worker.ts';
import { counted, countedClass } from './counting.ts';

export const TableCopy: typeof Original = countedClass(Original);

const countedWorker: typeof worker = counted(worker);
export default countedWorker;
