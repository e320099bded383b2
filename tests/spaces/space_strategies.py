"""Random small spaces with conditions, masks and ordered pairs."""

from __future__ import annotations

from hypothesis import strategies as st

from efficient_nas.spaces import Choice, Space

WORDS = ["none", "skip", "conv", "pool"]
SEEDS = st.integers(0, 2**64 - 1)


@st.composite
def conditions(draw: st.DrawFn, earlier: list[Choice]) -> dict[str, list[str | int | float]]:
    """Zero to two conditions on earlier choices: a forest or a DAG."""
    if not earlier:
        return {}
    parents = draw(st.lists(st.sampled_from(earlier), max_size=2, unique_by=lambda c: c.name))
    return {
        parent.name: draw(st.lists(st.sampled_from(parent.options), min_size=1, unique=True))
        for parent in parents
    }


@st.composite
def spaces(draw: st.DrawFn, conditional: bool = True, paired: bool = True) -> Space:
    """Two to six choices of one to four options; sometimes restricted."""
    choices: list[Choice] = []
    ordered: list[tuple[str, str]] = []
    while len(choices) < 2 or (len(choices) < 5 and draw(st.booleans())):
        name = f"c{len(choices)}"
        when = draw(conditions(choices)) if conditional else {}
        kind = draw(st.sampled_from(["operation", "depth", "width", None, "pair"]))
        if kind == "pair" and paired:
            options = list(range(draw(st.integers(2, 4))))
            between = draw(st.booleans())
            choices.append(Choice(name, options, when, role="predecessor"))
            if between:
                choices.append(
                    Choice(f"{name}/between", WORDS[:2], draw(conditions(choices)) if conditional else {})
                )
            choices.append(Choice(f"{name}/second", options, when, role="predecessor"))
            ordered.append((name, f"{name}/second"))
        elif kind == "operation":
            choices.append(Choice(name, WORDS[: draw(st.integers(1, 4))], when, role=kind))
        else:
            role = None if kind == "pair" else kind
            choices.append(Choice(name, [2, 3, 5, 7][: draw(st.integers(1, 4))], when, role=role))
    space = Space(choices, name="random", ordered=ordered)
    roles = {choice.role for choice in choices}
    if draw(st.booleans()) and "depth" in roles:
        space = space.restrict(max_depth=draw(st.integers(2, 7)))
    if draw(st.booleans()) and "width" in roles:
        space = space.restrict(max_width=draw(st.integers(2, 7)))
    if draw(st.booleans()) and "operation" in roles:
        kept = draw(st.lists(st.sampled_from(WORDS), min_size=1, unique=True))
        if all(set(kept) & set(choice.options) for choice in choices if choice.role == "operation"):
            present = {o for choice in choices if choice.role == "operation" for o in choice.options}
            space = space.restrict(operations=[word for word in kept if word in present])
    return space
