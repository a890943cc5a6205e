"""What others are told of the stream: for how long nothing has come in time, and to whom that matters."""

from listener.changes.health import Health, State
from ops.processes.stream_seen import StreamWatch


def test_silence_is_counted_from_the_last_moment_at_which_frames_came_in_time() -> None:
    """Not from the last frame: Salesforce may hold a request for two minutes."""
    now = [100.0]
    health = Health(state=State.CONNECTED, last_frame=100.0, frame_limit=120.0)
    watch = StreamWatch(health, lambda: now[0])
    now[0] = 219.0
    assert (watch.seen().silent, watch.seen().heard) == (0, 119_000)
    health.state, health.failures = State.BACKING_OFF, 4
    now[0] = 250.0
    seen = watch.seen()
    assert (seen.state, seen.silent, seen.heard, seen.failures) == ("backing_off", 31_000, 150_000, 4)


def test_who_does_not_own_the_stream_misses_nothing() -> None:
    """And once it is owned the first frame has its time."""
    now = [0.0]
    health = Health(state=State.STANDBY, failures=9)
    watch = StreamWatch(health, lambda: now[0])
    now[0] = 5_000.0
    assert (watch.seen().silent, watch.seen().heard, watch.seen().failures) == (0, None, 0)
    health.state = State.CONNECTING
    now[0] = 5_010.0
    assert watch.seen().silent == 10_000
