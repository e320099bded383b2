"""The durable record of a run: SQLite ledger, snapshots, run folder and its lock."""

from efficient_nas.ledger.ledger import Ledger as Ledger
from efficient_nas.ledger.ledger import Snapshot as Snapshot
from efficient_nas.ledger.run_folder import RunFolder as RunFolder
from efficient_nas.ledger.schema import storage_errors as storage_errors
