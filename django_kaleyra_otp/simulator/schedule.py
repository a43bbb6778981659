"""Work that waits for its time: one heap, one clock thread, and a fixed pool of workers.

No thread a message: two thousand waiting messages are two thousand entries in the heap.
"""

import functools
import heapq
import itertools
import logging
import queue
import threading
import time
import zlib
from collections.abc import Callable

import requests

logger = logging.getLogger(__name__)

Job = Callable[[requests.Session], None]


class Schedule:
    """Runs actions at their time, and jobs on workers that each keep one HTTP session.

    Jobs of one key are done by one worker, hence in order.
    """

    def __init__(self, workers: int = 16) -> None:
        self.stopping = threading.Event()
        self._changed = threading.Condition()
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._outstanding = 0
        self._queues: list[queue.SimpleQueue[Job | None]] = [queue.SimpleQueue() for _ in range(workers)]
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start the clock and the workers."""
        self._threads = [threading.Thread(target=self._tick, name="simulator-clock", daemon=True)]
        for index, jobs in enumerate(self._queues):
            name = f"simulator-worker-{index}"
            self._threads.append(threading.Thread(target=self._work, args=(jobs,), name=name, daemon=True))
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Forget what waits, let each worker end the job in hand, and join all threads."""
        self.stopping.set()
        self.clear()
        for jobs in self._queues:
            jobs.put(None)
        for thread in self._threads:
            thread.join()

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Run ``action`` on the clock thread in so many seconds; it must not block."""
        with self._changed:
            if self.stopping.is_set():
                return
            self._outstanding += 1
            heapq.heappush(self._heap, (time.monotonic() + seconds, next(self._order), action))
            self._changed.notify_all()

    def work(self, key: str, job: Job) -> bool:
        """Do ``job`` on the worker that ``key`` belongs to, as soon as that one is free.

        False, and nothing is done, once the schedule is stopping.
        """
        with self._changed:
            if self.stopping.is_set():
                return False
            self._outstanding += 1
            self._queues[zlib.crc32(key.encode()) % len(self._queues)].put(job)
            return True

    def hold(self) -> None:
        """Not idle until ``release``: something is about to be put in."""
        with self._changed:
            self._outstanding += 1

    def release(self) -> None:
        """End one ``hold``."""
        with self._changed:
            self._outstanding -= 1
            self._changed.notify_all()

    def clear(self) -> None:
        """Forget what waits for its time; what a worker has is not stopped."""
        with self._changed:
            self._outstanding -= len(self._heap)
            self._heap.clear()
            self._changed.notify_all()

    def wait_until_idle(self, timeout: float) -> bool:
        """Wait until nothing waits, queues or runs; False if that takes over ``timeout`` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: self._outstanding == 0, timeout)

    def _tick(self) -> None:
        while True:
            with self._changed:
                if self.stopping.is_set():
                    return
                due = self._heap[0][0] - time.monotonic() if self._heap else None
                if due is None or due > 0:
                    self._changed.wait(due)
                    continue
                action = heapq.heappop(self._heap)[2]
            self._run(action)

    def _work(self, jobs: "queue.SimpleQueue[Job | None]") -> None:
        with requests.Session() as session:
            session.trust_env = False  # no proxy, no .netrc: nothing but the receiver
            while (job := jobs.get()) is not None:
                self._run(functools.partial(job, session))

    def _run(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception:
            logger.exception("The simulator has a defect.")  # the thread must outlive it
        finally:
            self.release()
