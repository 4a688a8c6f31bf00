import worker from '../../examples/worker-cron/worker.ts';
import { counted } from './counting.ts';

const countedWorker: typeof worker = counted(worker);
export default countedWorker;
