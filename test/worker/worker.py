"""A Rota worker in plain Python: claims jobs, runs handlers in threads, beats, settles. Standard library only.

    worker = Worker("nats://127.0.0.1:4222", queue="reports", limit=4)
    worker.handlers["reports.render"] = lambda job, stop: {"pages": render(job["args"])}
    worker.run()  # until SIGTERM or SIGINT

A handler gets the job as the protocol has it and a Stop. What it returns (any JSON) is the result; Snooze, Cancel and
Discard are other ways to end; what it raises is a failure, which Rota retries as the job's policy says.
"""
import json
import queue as queues
import signal
import threading
import time
import traceback
import uuid

from nats_connection import NatsConnection

CLAIM_WAIT_MS_MAX = 20_000
REQUEST_SECONDS = 10
RETRY_SECONDS = 0.2
RESULT_BYTES_MAX = 256 * 1024  # Rota keeps no larger ones
ERROR_CHARACTERS_MAX = 16 * 1024
BATCH_BYTES_MAX = 512 * 1024  # a settlement stays below NATS's max_payload of 1 MiB


class Snooze(dict):
    """Come back after a delay, milliseconds or "5m"; the attempt is not counted."""

    def __init__(self, delay):
        super().__init__({"outcome": "snooze", "for": delay})


class Cancel(dict):
    """The job is not wanted any more."""

    def __init__(self, reason):
        super().__init__(outcome="cancel", reason=reason)


class Discard(dict):
    """The job cannot succeed: no more attempts."""

    def __init__(self, reason):
        super().__init__(outcome="discard", reason=reason)


class Refused(Exception):
    """An error reply: nothing was changed, and a repeat of 4xx other than 429 would be refused again."""

    def __init__(self, status, error):
        super().__init__(f"{status} {error}")
        self.lasting = 400 <= status < 500 and status != 429


class Stop(threading.Event):
    """Set when a handler should end: `reason` is cancelled, lost, timeout or stopping. `wait(seconds)` sleeps on it."""

    reason = None

    def now(self, reason):
        self.reason = self.reason or reason
        self.set()


def completion(returned):
    """The outcome of a handler that returned. A result that cannot be kept costs the result, not the completion."""
    if isinstance(returned, (Snooze, Cancel, Discard)):
        return returned
    try:
        size = len(json.dumps(returned, allow_nan=False))
        fault = None if size <= RESULT_BYTES_MAX else f"the result has {size} bytes"
    except (TypeError, ValueError, RecursionError) as error:
        fault = f"the result is no JSON: {error}"
    return {"outcome": "complete", "result": returned} if fault is None else {"outcome": "complete", "resultFault": fault}


class Worker:
    def __init__(self, url, queue, limit=4, node="python", grace=10.0, tell=lambda *words: None):
        self.handlers = {}
        self._queue, self._limit, self._node, self._grace, self._tell = queue, limit, node, grace, tell
        self._id = str(uuid.uuid4())  # a new one for each start: nobody takes us for a worker that died
        self._nats = NatsConnection(url)
        self._changed = threading.Condition()  # guards _running
        self._running = {}  # (id, run) -> (job, Stop); until its settlement is confirmed, so that beats list it
        self._outcomes = queues.SimpleQueue()
        self._beat_seconds = 1.0  # until the first claim's answer says
        self._claim_wait_ms = 1_000
        self._stopping = threading.Event()

    def run(self):
        """Works until a first SIGTERM or SIGINT, then leaves in order; a second one ends it at once."""
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # as SIGINT: KeyboardInterrupt in this thread
        claimer = threading.Thread(target=self._claim, daemon=True)
        try:
            for thread in (claimer, *(threading.Thread(target=t, daemon=True) for t in (self._beat, self._settle))):
                thread.start()
            while True:
                time.sleep(1)
        except KeyboardInterrupt:
            self._leave(claimer)
            self._nats.close()

    def _ask(self, verb, seconds=REQUEST_SECONDS, **body):
        """One request of the worker protocol. Raises Refused, or OSError and TimeoutError where a repeat may help."""
        headers, value = self._nats.request(f"jobs.work.{self._queue}.{verb}", {"worker": self._id, **body}, seconds)
        if "Nats-Service-Error-Code" in headers:
            raise Refused(int(headers["Nats-Service-Error-Code"]), value.get("error"))
        return value

    def _claim(self):
        while not self._stopping.is_set():
            with self._changed:
                room = self._limit - len(self._running)
                if room <= 0:
                    self._changed.wait(1.0)
                    continue
            try:
                ask = {"node": self._node, "limit": room, "waitMs": self._claim_wait_ms, "types": list(self.handlers)}
                answer = self._ask("claim", self._claim_wait_ms / 1000 + REQUEST_SECONDS, **ask)
            except Exception as error:  # the broker or Rota is away; a claim that was lost is handed back by our beats
                self._tell("claim-failed", error)
                self._stopping.wait(RETRY_SECONDS)
                continue
            self._beat_seconds = answer["beatMs"] / 1000
            # A claim that waits is a sign of life: a long one would hide for as long that we hang or were killed.
            self._claim_wait_ms = min(answer["leaseMs"] // 2, CLAIM_WAIT_MS_MAX)
            for job in answer["jobs"]:
                self._start(job)

    def _start(self, job):
        key, stop = (job["id"], job["run"]), Stop()
        with self._changed:
            if key in self._running:
                return
            self._running[key] = (job, stop)
        if self._stopping.is_set():
            return self._report(job, {"outcome": "release"})
        threading.Thread(target=self._perform, args=(job, stop), daemon=True).start()

    def _perform(self, job, stop):
        self._tell("started", job["id"], job["run"])
        # Python cannot end a thread: a handler that overruns is asked to stop, and fails as timed out if it does.
        timer = threading.Timer(job["timeout"] / 1000, stop.now, ["timeout"]) if job["timeout"] else None
        if timer:
            timer.start()
        try:
            outcome = completion(self.handlers[job["type"]](job, stop))
        except Exception as error:
            texts = {"message": f"{type(error).__name__}: {error}", "stack": traceback.format_exc()}
            outcome = {"outcome": "fail", "error": {name: text[:ERROR_CHARACTERS_MAX] for name, text in texts.items()}}
        if timer:
            timer.cancel()
        if stop.reason == "timeout":
            outcome = {"outcome": "fail", "error": {"kind": "timeout", "message": f"took over {job['timeout']} ms"}}
        if stop.reason == "stopping" and outcome["outcome"] == "fail":
            outcome = {"outcome": "release"}  # it gave up because we asked it to: the attempt is handed back
        self._report(job, outcome)

    def _report(self, job, outcome):
        self._outcomes.put({"id": job["id"], "attempt": job["attempt"], "run": job["run"], **outcome})

    def _settle(self):
        """Sends outcomes, all that wait in one message, until they are answered: a repeat is answered as settled."""
        while True:
            batch = [self._outcomes.get()]
            while len(json.dumps(batch)) < BATCH_BYTES_MAX and not self._outcomes.empty():
                batch.append(self._outcomes.get())
            for refused in self._send(batch):
                # It was cancelled, or taken from us while we were silent. What we did counts for nothing.
                self._tell("refused", refused["id"], refused["reason"])
            with self._changed:
                for outcome in batch:
                    self._running.pop((outcome["id"], outcome["run"]), None)
                self._changed.notify_all()

    def _send(self, batch):
        while True:
            try:
                return self._ask("settle", outcomes=batch)["refused"]
            except Refused as error:
                self._tell("settle-refused", error)
                if error.lasting and len(batch) > 1:  # one is at fault and must not hold up the others
                    return [refused for outcome in batch for refused in self._send([outcome])]
                if error.lasting:
                    return []  # beats do not list it any more, so Rota takes it back
            except Exception as error:
                self._tell("settle-failed", error)
            time.sleep(RETRY_SECONDS)

    def _beat(self):
        """Says every beatMs what runs here, from a thread that no handler holds up."""
        while True:
            time.sleep(self._beat_seconds)
            with self._changed:
                mine = list(self._running.values())
            running = [{"id": job["id"], "attempt": job["attempt"], "run": job["run"]} for job, _ in mine]
            try:
                answer = self._ask("beat", self._beat_seconds, running=running, node=self._node)
            except Exception as error:  # the handlers go on: the lease decides
                self._tell("beat-failed", error)
                continue
            told = {entry["id"]: "cancelled" for entry in answer["cancel"]} | dict.fromkeys(answer["lost"], "lost")
            for job, stop in mine:
                if job["id"] in told and not stop.is_set():
                    self._tell(told[job["id"]], job["id"], job["run"])
                    stop.now(told[job["id"]])

    def _leave(self, claimer):
        """Takes waiting claims back, lets handlers run on for the grace, then asks them to stop and releases the rest."""
        self._stopping.set()
        while claimer.is_alive():
            try:
                self._ask("withdraw", 1.0)
            except Exception as error:
                self._tell("withdraw-failed", error)
            claimer.join(RETRY_SECONDS)
        if self._quiet(self._grace):
            return
        with self._changed:
            for _, stop in self._running.values():
                stop.now("stopping")
        if self._quiet(1.0):
            return
        with self._changed:
            for job, _ in self._running.values():
                self._report(job, {"outcome": "release"})
        self._quiet(REQUEST_SECONDS)

    def _quiet(self, seconds):
        with self._changed:
            return self._changed.wait_for(lambda: not self._running, seconds)
