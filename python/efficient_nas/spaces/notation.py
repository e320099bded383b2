"""The default text form of a genotype: `name=value` of each active choice, joined by commas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from efficient_nas.errors import nearest
from efficient_nas.spaces.choice import Choice, Option


def format_values(values: Mapping[str, Option]) -> str:
    return ",".join(f"{name}={value}" for name, value in values.items())


def parse_values(text: str, choices: Sequence[Choice]) -> dict[str, Option]:
    """The values in `text` by choice name; whether they fit together is for `Space.genotype` to say."""
    if not isinstance(text, str):
        raise TypeError(f"from_string: text must be a string, got {text!r}")
    by_name = {choice.name: choice for choice in choices}
    values: dict[str, Option] = {}
    for part in text.split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals:
            raise ValueError(f"from_string: expected name=value, got {part!r} in {text!r}")
        if name not in by_name:
            raise ValueError(
                f"from_string: unknown choice {name!r}{nearest(name, by_name)}; choices: {', '.join(by_name)}"
            )
        if name in values:
            raise ValueError(f"from_string: choice {name} is given twice")
        options = {str(option): option for option in by_name[name].options}
        if value not in options:
            hint = nearest(value, options)
            raise ValueError(f"from_string: {name} cannot be {value!r}{hint}; options: {', '.join(options)}")
        values[name] = options[value]
    return values
