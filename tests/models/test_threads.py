"""One thread for linear algebra, whatever was loaded before, and as it was afterwards."""

from __future__ import annotations

from threadpoolctl import ThreadpoolController, threadpool_limits

from ddcrm.models.threads import _libraries, one_thread


def threads() -> dict[str, int]:
    return {each["filepath"]: each["num_threads"] for each in ThreadpoolController().info()}


def test_all_libraries_have_one_thread_in_the_block_and_their_own_after_it() -> None:
    """Those, too, that come with the estimators: a search at the block's time finds no more than was known."""
    _libraries()
    import sklearn.cluster
    import sklearn.ensemble
    import sklearn.linear_model  # noqa: F401

    with threadpool_limits(2):
        before = threads()
        assert len(before) >= 3
        assert 2 in before.values()
        with one_thread():
            assert set(threads().values()) == {1}
            with one_thread():
                assert set(threads().values()) == {1}
            assert set(threads().values()) == {1}
        assert threads() == before
