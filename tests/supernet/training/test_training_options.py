"""Options and records of a supernet's training: checked, and the same after JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest

from efficient_nas.supernet import EpochRecord, TrainingOptions


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("epochs", True),
        ("batch_size", 1),
        ("learning_rate", 0.0),
        ("learning_rate_min", 0.03),
        ("momentum", 1.0),
        ("weight_decay", float("nan")),
        ("gradient_clip", 0),
        ("alpha_learning_rate", -1e-3),
        ("alpha_betas", 0.5),
        ("alpha_betas", (0.5, 1.0)),
        ("alpha_weight_decay", "1e-3"),
        ("alpha_from_epoch", -1),
        ("order", 3),
        ("order", True),
        ("temperature", (10.0,)),
        ("temperature", [10.0, 0.0]),
        ("temperature_schedule", "cosine"),
        ("cost_weight", -1),
        ("amp", "float16"),
    ],
)
def test_a_wrong_option_is_named_with_its_value(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{name} must be .*, got"):
        TrainingOptions(**{name: value})


def test_options_survive_json() -> None:
    options = TrainingOptions(epochs=3, temperature=(5.0, 1.0), gradient_clip=None, amp="bfloat16")
    assert TrainingOptions(**json.loads(json.dumps(options.to_json()))) == options


def test_records_survive_json() -> None:
    record = EpochRecord(2, 1.5, 2.1, 0.25, None, None, 0.025, 10.0, [0, 3, 1], {"entropy": 2.0})
    assert EpochRecord.from_json(json.loads(json.dumps(record.to_json()))) == record
    with pytest.raises(ValueError, match="EpochRecord: fields must be"):
        EpochRecord.from_json({"epoch": 1})
