"""Whatever a script starts ends with it, however it ends.

SIGTERM and SIGHUP become the same orderly end as Ctrl-C, which undoes everything on its way; and should the
script be killed outright, the system kills what it had started.
"""

import asyncio
import ctypes
import signal

ENDS = (signal.SIGTERM, signal.SIGHUP)
# From linux/prctl.h: a signal for this process when its parent dies.
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def end_in_order():
    """For a script without an event loop."""
    for number in ENDS:
        signal.signal(number, _end)


def run(main):
    """asyncio.run, where a signal cancels `main` and waits for what that undoes."""

    async def cancelled_by_signals():
        task = asyncio.ensure_future(main)
        ended_by = []

        def end(number):
            ended_by.append(number)
            task.cancel()

        for number in ENDS:
            asyncio.get_running_loop().add_signal_handler(number, end, number)
        try:
            return await task
        except asyncio.CancelledError:
            if not ended_by:
                raise
            raise SystemExit(128 + ended_by[0]) from None

    return asyncio.run(cancelled_by_signals())


def with_parent():
    """Between fork and exec of a child."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _end(number, _frame):
    raise SystemExit(128 + number)
