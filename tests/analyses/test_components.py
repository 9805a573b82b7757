from inception_lens.analyses.components import connected_components


def test_edges_count_in_both_directions_and_to_other_items_do_not_count() -> None:
    edges: dict[str, tuple[str | None, ...]] = {"a": (), "b": ("x", None), "c": ("a",), "d": ("b",), "e": ("c", "a")}
    assert connected_components(edges, edges.__getitem__) == [["a", "c", "e"], ["b", "d"]]


def test_without_edges_every_item_is_a_component() -> None:
    assert connected_components(range(3), lambda item: ()) == [[0], [1], [2]]
