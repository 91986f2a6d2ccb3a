"""A worker with some handlers: python3 example.py nats://127.0.0.1:4222 <queue> [grace in seconds] [--with-parent]"""
import os
import sys
import threading
import time

from worker import Cancel, Discard, Snooze, Worker


def tell(*words):
    """One line in one piece, for several threads tell."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def echo(job, stop):
    return job["args"]


def flaky(job, stop):
    if job["attempt"] < job["args"]["succeedsAt"]:
        raise RuntimeError(f"attempt {job['attempt']} fails")
    return {"attempt": job["attempt"]}


def wait(job, stop):
    """Works for a while, and looks at whether it should go on."""
    stop.wait(job["args"]["seconds"])
    if stop.reason == "stopping":
        raise InterruptedError("asked to stop")
    return {"run": job["run"], "stopped": stop.reason}


def deaf(job, stop):
    """Works for a while and looks at nothing: each run for its own time, where a list of them is given."""
    seconds = job["args"]["seconds"]
    time.sleep(seconds[job["run"] - 1] if isinstance(seconds, list) else seconds)
    return {"run": job["run"]}


def end(job, stop):
    ways = {"snooze": Snooze("200ms"), "cancel": Cancel("not wanted"), "discard": Discard("hopeless"), "odd": {1, 2}}
    return ways[job["args"]["how"]] if job["run"] == 1 else "at last"


def die_with_parent():
    """For tests: ends when what started us does, which holds the other end of our input."""
    sys.stdin.read()
    os._exit(1)


url, queue, *grace = [word for word in sys.argv[1:] if word != "--with-parent"]
if "--with-parent" in sys.argv:
    threading.Thread(target=die_with_parent, daemon=True).start()
worker = Worker(url, queue, limit=4, grace=float(grace[0]) if grace else 10.0, tell=tell)
worker.handlers = {f"py.{handler.__name__}": handler for handler in (echo, flaky, wait, deaf, end)}
tell("ready")
worker.run()
tell("left")
