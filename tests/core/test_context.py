"""Settings: one default, overrides by context, from any thread or task."""

from __future__ import annotations

import asyncio
import threading
from unittest import mock

import pytest

import whet
from whet.core.context import current
from whet.errors import ConfigurationError


def test_context_overrides_nests_and_restores() -> None:
    before = whet.settings.num_threads
    with whet.context(num_threads=3):
        with whet.context(max_errors=1):
            assert (whet.settings.num_threads, whet.settings.max_errors) == (3, 1)
        assert whet.settings.max_errors != 1
    assert whet.settings.num_threads == before


def test_context_restores_after_an_error() -> None:
    with pytest.raises(KeyError), whet.context(num_threads=3):
        raise KeyError
    assert whet.settings.num_threads != 3


def test_a_misspelt_setting_is_an_error_and_others_are_the_users_own() -> None:
    with pytest.raises(ConfigurationError, match="Did you mean `num_threads`"), whet.context(num_thread=3):
        pass
    with whet.context(my_own_thing=1):
        assert whet.settings.my_own_thing == 1
        assert "my_own_thing" in whet.settings
    with pytest.raises(AttributeError):
        _ = whet.settings.my_own_thing


def test_configure_works_from_any_thread_and_is_seen_everywhere() -> None:
    thread = threading.Thread(target=lambda: whet.configure(max_errors=77))
    thread.start()
    thread.join()
    assert current().max_errors == 77
    whet.configure(max_errors=10)


def test_configure_inside_a_context_is_refused() -> None:
    with whet.context(max_errors=1), pytest.raises(ConfigurationError, match="inside a `context` block"):
        whet.configure(max_errors=2)


def test_configure_works_from_several_tasks() -> None:
    async def task(value: int) -> None:
        await asyncio.sleep(0)
        whet.configure(max_errors=value)

    async def main() -> None:
        await asyncio.gather(task(5), task(6))

    asyncio.run(main())
    assert current().max_errors in (5, 6)
    whet.configure(max_errors=10)


def test_a_context_does_not_leak_into_other_threads() -> None:
    seen = []
    with whet.context(max_errors=1):
        thread = threading.Thread(target=lambda: seen.append(current().max_errors))
        thread.start()
        thread.join()
    assert seen == [10]


def test_a_context_is_inherited_by_tasks_made_inside_it() -> None:
    async def read() -> int:
        await asyncio.sleep(0)
        return current().max_errors

    async def main() -> list[int]:
        with whet.context(max_errors=2):
            inside = asyncio.create_task(read())
        outside = asyncio.create_task(read())
        return [await inside, await outside]

    assert asyncio.run(main()) == [2, 10]


def test_two_requests_with_different_settings_never_mix() -> None:
    async def request(value: int) -> bool:
        with whet.context(max_errors=value):
            for _ in range(50):
                await asyncio.sleep(0)
                if current().max_errors != value:
                    return False
        return True

    async def main() -> list[bool]:
        return await asyncio.gather(*(request(i) for i in range(1, 40)))

    assert all(asyncio.run(main()))


def test_a_setting_patched_by_a_test_is_put_back() -> None:
    before = whet.settings.max_errors
    with mock.patch.object(whet.settings, "max_errors", 77):
        assert whet.settings.max_errors == 77
    assert whet.settings.max_errors == before
    assert vars(whet.settings)["max_errors"] == before


def test_configure_inside_a_context_may_say_what_is_in_force() -> None:
    with whet.context(num_threads=3):
        whet.configure(num_threads=3)
        with pytest.raises(ConfigurationError, match="stay hidden"):
            whet.configure(num_threads=4)
    whet.configure(num_threads=8)
