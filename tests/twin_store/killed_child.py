"""Run by test_faults and killed at a random moment: absorbs records as fast as it can and compacts beside that.

Arguments: the data directory, the first seq. Prints each seq after its commit.
"""

import sys
import threading
from pathlib import Path

import numpy as np
import pyarrow as pa

from twin import compaction, ledger
from twin.absorb import Absorber, Batch
from twin.reconcile import Reconciler
from twin.store import Store
from wire.catalogue import Point, to_batch
from wire.clock import ManualClock
from wire.records import CLASS_CONTROL, Stamp, pack
from wire.schemas import CATALOGUE, READINGS, schema

EPOCH, ROWS, T0 = b"\x06" * 16, 500, 1_750_000_000_000_000


def main(folder: Path, first: int) -> None:
    compaction.FILE_ROWS, compaction.QUIET_US = 1_000, 0
    clock = ManualClock(wall_us=T0 + 400 * 86_400_000_000)
    with Store.open(folder, site="lab", clock=clock, checkpoint_threshold="1MB") as store:
        reconciler = Reconciler(boot=1)
        with store.cursor() as cursor:
            reconciler.load(*ledger.load(cursor, "lab"))
        absorber = Absorber("lab", reconciler, store.points, store.state)
        control = Stamp(EPOCH, 1, 1, 0, 0, CLASS_CONTROL)
        records = [pack(to_batch([Point(id=0, device="d", metric="m")]), schema_id=CATALOGUE, stamp=control, seq=1)]
        threading.Thread(target=forever, args=(store,), daemon=True).start()
        for seq in range(first, 1_000_000):
            columns = [
                np.zeros(ROWS, np.uint32),
                pa.array(T0 + (seq * ROWS + np.arange(ROWS)) * 1_000_000).view(pa.timestamp("us", "UTC")),
                seq * ROWS + np.arange(ROWS, dtype=float),
                np.zeros(ROWS, np.uint8),
            ]
            batch = pa.RecordBatch.from_arrays(list(map(pa.array, columns)), schema=schema(READINGS))
            records.append(pack(batch, schema_id=READINGS, stamp=Stamp(EPOCH, 1, 1, 0, 0), seq=seq))
            arrived = Batch(["gw"] * len(records), records, recv_us=clock.wall_us())
            store.writer.submit(
                lambda connection, arrived=arrived: absorber.absorb(connection, arrived), then=absorber.committed
            ).result()
            records = []
            print(seq, flush=True)


def forever(store: Store) -> None:
    while True:
        store.compact()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
