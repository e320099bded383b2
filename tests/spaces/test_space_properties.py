"""Native operations on random spaces against the rules in plain Python."""

from __future__ import annotations

import numpy as np
import space_reference as reference
from hypothesis import given
from hypothesis import strategies as st
from space_strategies import SEEDS, spaces

from efficient_nas.spaces import Space


@given(space=spaces())
def test_size_enumerate_and_validate_agree_with_brute_force(space: Space) -> None:
    rows = reference.all_rows(space)
    assert space.size == len(rows)
    listed = reference.rows_of(space.enumerate())
    assert sorted(listed) == rows
    assert len(set(listed)) == len(listed)
    assert space.validate(space.enumerate()).all()


@given(space=spaces(), data=st.data())
def test_validate_and_why_invalid_follow_the_rules(space: Space, data: st.DataObject) -> None:
    values = st.integers(0, 5) | st.integers(0, 255)
    batch = data.draw(st.lists(st.tuples(*[values] * space.num_choices), max_size=20))
    for row in reference.all_rows(space)[:5]:
        batch.append(row)
        batch.append(row[::-1])
    genotypes = np.array(batch, dtype=np.uint8).reshape(-1, space.num_choices)
    expected = [reference.valid(space, row) for row in batch]
    assert space.validate(genotypes).tolist() == expected
    for row, is_valid in zip(genotypes, expected, strict=True):
        reason = space.why_invalid(row)
        assert (reason is None) == is_valid
        if reason is not None:
            assert any(reason.startswith(f"{choice.name} ") for choice in space.choices)


@given(space=spaces(), seed=SEEDS, n=st.integers(0, 40), m=st.integers(0, 40))
def test_samples_are_valid_and_a_short_batch_is_the_start_of_a_long_one(
    space: Space, seed: int, n: int, m: int
) -> None:
    batch = space.sample(n, seed)
    assert batch.shape == (n, space.num_choices)
    assert batch.dtype == np.uint8
    assert all(reference.valid(space, row) for row in reference.rows_of(batch))
    shared = min(n, m)
    np.testing.assert_array_equal(space.sample(m, seed)[:shared], batch[:shared])


@given(space=spaces(), seed=SEEDS)
def test_every_genotype_can_be_sampled(space: Space, seed: int) -> None:
    # The rarest genotype of such a small space is drawn about 1 time in 256.
    if space.size > 12:
        return
    assert len(set(reference.rows_of(space.sample(5000, seed)))) == space.size


@given(space=spaces(), seed=SEEDS)
def test_one_mutation_changes_exactly_one_mutable_choice(space: Space, seed: int) -> None:
    parents = space.sample(30, seed)
    before = parents.copy()
    mutants = space.mutate(parents, seed)
    np.testing.assert_array_equal(parents, before)
    for parent, mutant in zip(reference.rows_of(parents), reference.rows_of(mutants), strict=True):
        assert reference.valid(space, mutant)
        mutable = reference.mutable(space, parent)
        changed = reference.changed(space, parent, mutant)
        assert set(changed) <= mutable
        assert len(changed) == min(1, len(mutable))
        if not mutable:
            assert mutant == parent


@given(space=spaces(), seed=SEEDS, mutations=st.integers(1, 8))
def test_many_mutations_change_as_many_choices_as_promised(space: Space, seed: int, mutations: int) -> None:
    parents = space.sample(20, seed)
    mutants = space.mutate(parents, seed, mutations)
    for parent, mutant in zip(reference.rows_of(parents), reference.rows_of(mutants), strict=True):
        assert reference.valid(space, mutant)
        mutable = reference.mutable(space, parent)
        changed = reference.changed(space, parent, mutant)
        promised = min(mutations, len(mutable))
        assert len(changed) <= promised
        if len(changed) < promised:
            was_active = reference.active(space, parent)
            left = {i for i in reference.mutable(space, mutant) - set(changed) if was_active[i]}
            assert not left, "it stopped although another choice could still change"


@given(space=spaces(conditional=False, paired=False), seed=SEEDS, mutations=st.integers(1, 8))
def test_without_conditions_and_pairs_the_promise_holds_exactly(
    space: Space, seed: int, mutations: int
) -> None:
    parents = space.sample(20, seed)
    movable = sum(len(options) > 1 for options in space.allowed)
    changed = (space.mutate(parents, seed, mutations) != parents).sum(axis=1)
    assert (changed == min(mutations, movable)).all()


@given(space=spaces(), seed=SEEDS)
def test_children_are_valid_and_take_what_they_can_from_their_parents(space: Space, seed: int) -> None:
    a, b = space.sample(30, seed), space.sample(30, seed ^ 1)
    kept_a, kept_b = a.copy(), b.copy()
    children = space.crossover(a, b, seed)
    np.testing.assert_array_equal(a, kept_a)
    np.testing.assert_array_equal(b, kept_b)
    rows = zip(reference.rows_of(a), reference.rows_of(b), reference.rows_of(children), strict=True)
    for first, second, child in rows:
        assert reference.valid(space, child)
        in_first, in_second = reference.active(space, first), reference.active(space, second)
        in_child = reference.active(space, child)
        units = [(i, i) for i in range(space.num_choices) if i not in {x for p in space.ordered for x in p}]
        for i, j in [*units, *space.ordered]:
            sources = [row for row, on in ((first, in_first[i]), (second, in_second[i])) if on]
            if in_child[i] and sources:
                assert (child[i], child[j]) in {(row[i], row[j]) for row in sources}
    np.testing.assert_array_equal(space.crossover(a, a, seed), a)


@given(space=spaces(), seed=SEEDS)
def test_neighbours_are_complete(space: Space, seed: int) -> None:
    genotype = space.sample(1, seed)[0]
    row = reference.rows_of(genotype[None])[0]
    found = reference.rows_of(space.neighbours(genotype))
    assert len(set(found)) == len(found)
    assert row not in found
    assert sorted(found) == sorted(reference.neighbours(space, row))
    assert {i for other in found for i in reference.changed(space, row, other)} == reference.mutable(
        space, row
    )


@given(space=spaces(), seed=SEEDS, data=st.data())
def test_option_mask_allows_exactly_what_can_be_completed(
    space: Space, seed: int, data: st.DataObject
) -> None:
    prefix = space.sample(1, seed)[0]
    index = data.draw(st.integers(0, space.num_choices - 1))
    start = tuple(prefix[:index])
    expected = {row[index] for row in reference.all_rows(space) if row[:index] == start}
    mask = space.option_mask(prefix, index)
    assert mask.shape == (len(space.choices[index].options),)
    assert set(np.flatnonzero(mask)) == expected
    prefix[index:] = 255  # later values do not matter
    np.testing.assert_array_equal(space.option_mask(prefix[None], index), mask[None])


@given(space=spaces(), seed=SEEDS, mutations=st.integers(1, 3), n=st.integers(1, 20))
def test_batches_repeat_and_rows_depend_on_seed_and_position_only(
    space: Space, seed: int, mutations: int, n: int
) -> None:
    a, b = space.sample(20, seed), space.sample(20, seed ^ 5)
    mutants, children = space.mutate(a, seed, mutations), space.crossover(a, b, seed)
    np.testing.assert_array_equal(space.mutate(a, seed, mutations), mutants)
    np.testing.assert_array_equal(space.mutate(a[:n], seed, mutations), mutants[:n])
    np.testing.assert_array_equal(space.crossover(a[:n], b[:n], seed), children[:n])


@given(space=spaces(), seed=SEEDS)
def test_text_values_and_features_hold_the_genotype(space: Space, seed: int) -> None:
    genotypes = space.sample(8, seed)
    features = space.features(genotypes)
    assert features.dtype == np.float32
    assert features.shape == (8, int(space.cardinalities.sum()))
    for genotype, feature in zip(genotypes, features, strict=True):
        row = reference.rows_of(genotype[None])[0]
        active = reference.active(space, row)
        np.testing.assert_array_equal(space.from_string(space.to_string(genotype)), genotype)
        np.testing.assert_array_equal(space.genotype(space.values(genotype)), genotype)
        np.testing.assert_array_equal(space.active(genotype[None])[0], active)
        expected = [
            float(active[i] and option == row[i])
            for i, choice in enumerate(space.choices)
            for option in range(len(choice.options))
        ]
        assert feature.tolist() == expected


@given(space=spaces(), seed=SEEDS)
def test_deduplicate_keeps_the_first_of_equal_rows(space: Space, seed: int) -> None:
    genotypes = space.sample(50, seed)
    rows = reference.rows_of(genotypes)
    assert space.deduplicate(genotypes).tolist() == sorted({row: rows.index(row) for row in rows}.values())
    hashes = space.canonical_hash(genotypes)
    assert hashes.dtype == np.uint64
    assert len(set(hashes.tolist())) == len(set(rows))


@given(space=spaces(), seed=SEEDS, data=st.data())
def test_repair_makes_rows_valid_and_keeps_what_is(space: Space, seed: int, data: st.DataObject) -> None:
    values = st.integers(0, 5) | st.integers(0, 255)
    batch = data.draw(st.lists(st.tuples(*[values] * space.num_choices), max_size=20))
    rows = np.array(batch + reference.all_rows(space)[:10], dtype=np.uint8).reshape(-1, space.num_choices)
    before = rows.copy()
    repaired = space.repair(rows, seed)
    np.testing.assert_array_equal(rows, before)
    assert all(reference.valid(space, row) for row in reference.rows_of(repaired))
    valid = space.validate(rows)
    np.testing.assert_array_equal(repaired[valid], rows[valid])
    np.testing.assert_array_equal(space.repair(rows[:5], seed), repaired[:5])
    paired = {column for pair in space.ordered for column in pair}
    for row, result, active in zip(rows, repaired, space.active(repaired), strict=True):
        for column in np.flatnonzero(active):
            if row[column] in space.allowed[column] and column not in paired:
                assert result[column] == row[column]
        for a, b in space.ordered:
            options = space.allowed[a]
            if active[a] and row[a] != row[b] and row[a] in options and row[b] in options:
                assert sorted((row[a], row[b])) == [result[a], result[b]]
