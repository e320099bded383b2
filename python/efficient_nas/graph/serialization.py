"""JSON of an architecture, strict in both directions: what is not understood is refused, never guessed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import MISSING, fields
from typing import Any, NoReturn

from efficient_nas.errors import nearest
from efficient_nas.graph.node import ArchNode

FORMAT = "efficient-nas/architecture"
VERSION = 1
_NODE_FIELDS = {f.name: f.default for f in fields(ArchNode)}


def to_json(
    nodes: Sequence[ArchNode], connections: Sequence[tuple[int, int]], input_shape: tuple[int, int, int]
) -> str:
    """One line per node, so that two architectures can be compared by eye and by diff."""
    node_lines = [json.dumps(_node_fields(node)) for node in nodes]
    lines = [
        "{",
        f'  "format": {json.dumps(FORMAT)},',
        f'  "version": {VERSION},',
        f'  "input_shape": {json.dumps(input_shape)},',
        '  "nodes": [',
        ",\n".join(f"    {line}" for line in node_lines),
        "  ],",
        f'  "connections": {json.dumps(connections)}',
        "}",
    ]
    return "\n".join(lines) + "\n"


def from_json(text: str) -> tuple[list[ArchNode], list[tuple[int, int]], tuple[int, int, int]]:
    """Nodes, connections and input shape; raises ValueError that names the field."""
    if not isinstance(text, str):
        raise TypeError(f"Architecture.from_json: text must be a str, got {type(text).__name__}")
    try:
        document = json.loads(text, object_pairs_hook=_unique_fields, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        _fail(f"not JSON: {error}")
    except RecursionError:
        _fail("nested too deeply")
    except ValueError as error:
        _fail(str(error))
    document = _object("the document", document, {"format", "version", "input_shape", "nodes", "connections"})
    if document["format"] != FORMAT:
        _fail(f"format must be {FORMAT!r}, got {_shown(document['format'])}")
    if document["version"] != VERSION or isinstance(document["version"], bool):
        _fail(f"version must be {VERSION}, got {_shown(document['version'])}")
    nodes = [_node(f"nodes[{i}]", node) for i, node in enumerate(_list("nodes", document["nodes"]))]
    connections = [
        _int_list(f"connections[{i}]", pair, 2)
        for i, pair in enumerate(_list("connections", document["connections"]))
    ]
    channels, height, width = _int_list("input_shape", document["input_shape"], 3)
    return nodes, [(source, target) for source, target in connections], (channels, height, width)


def _node_fields(node: ArchNode) -> dict[str, Any]:
    values = {name: getattr(node, name) for name in _NODE_FIELDS}
    return {name: value for name, value in values.items() if value != _NODE_FIELDS[name]}


def _node(where: str, value: object) -> ArchNode:
    required = {name for name, default in _NODE_FIELDS.items() if default is MISSING}
    values = _object(where, value, required, _NODE_FIELDS.keys() - required)
    try:
        return ArchNode(**values)
    except (TypeError, ValueError) as error:
        _fail(f"{where}: {str(error).removeprefix('ArchNode: ')}")


def _object(
    where: str, value: object, required: set[str], optional: set[str] | frozenset[str] = frozenset()
) -> dict[str, Any]:
    if not isinstance(value, dict):
        _fail(f"{where} must be an object, got {_shown(value)}")
    for name in value:
        if name not in required | optional:
            _fail(f"{where} has an unknown field {_shown(name)}{nearest(name, required | optional)}")
    for name in sorted(required - value.keys()):
        _fail(f"{where} lacks the field {name!r}")
    return value


def _list(where: str, value: object) -> list[Any]:
    if not isinstance(value, list):
        _fail(f"{where} must be a list, got {_shown(value)}")
    return value


def _int_list(where: str, value: object, length: int) -> list[int]:
    values = _list(where, value)
    if len(values) != length or any(isinstance(v, bool) or not isinstance(v, int) for v in values):
        _fail(f"{where} must hold {length} integers, got {_shown(value)}")
    return values


def _unique_fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the field {_shown(repeated)} is given twice")
    return values


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number of JSON")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _fail(message: str) -> NoReturn:
    raise ValueError(f"Architecture.from_json: {message}")
