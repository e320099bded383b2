"""The epochs of a supernet's training as scalars for TensorBoard."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from efficient_nas.supernet.options import EpochRecord


class TensorBoard:
    """Writes an event file into `folder`: `Trainer.fit(on_epoch=board.add)`, as a context manager.

    The step is the epoch. Tags: loss/weights, loss/alphas, accuracy/weights, accuracy/alphas, learning_rate,
    temperature, seconds, and diagnosis/<name>; what an epoch does not have is left out. A resumed training
    goes on in the same folder. ImportError without the extra `tensorboard`; OSError where `folder` cannot be
    written.
    """

    def __init__(self, folder: str | Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ImportError(
                f"TensorBoard: its package cannot be imported ({error}); install it with: "
                "pip install 'efficient-nas[tensorboard]'"
            ) from error
        self._writer = SummaryWriter(str(folder))

    def add(self, record: EpochRecord) -> None:
        """Writes one epoch and flushes it to the file."""
        scalars = {
            "loss/weights": record.weight_loss,
            "loss/alphas": record.alpha_loss,
            "accuracy/weights": record.weight_accuracy,
            "accuracy/alphas": record.alpha_accuracy,
            "learning_rate": record.learning_rate,
            "temperature": record.temperature,
            "seconds": record.seconds,
            **{f"diagnosis/{name}": value for name, value in record.diagnosis.items()},
        }
        for tag, value in scalars.items():
            if value is not None:
                self._writer.add_scalar(tag, value, record.epoch)
        self._writer.flush()

    def close(self) -> None:
        """Closes the file; `add` would begin another one."""
        self._writer.close()

    def __enter__(self) -> TensorBoard:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
