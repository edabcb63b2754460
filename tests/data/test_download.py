import gzip
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipeline.data import mnist
from pipeline.data.download import UnreachableError, fetch
from pipeline.errors import PipelineError
from tests.data import idx_files


@contextmanager
def mirror(
    answers: dict[str, bytes], announced: int | None = None
) -> Iterator[tuple[str, list[str]]]:
    """A mirror on this machine: its address, and the paths that were asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            content = answers.get(self.path)
            if content is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(announced or len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def packed() -> dict[str, bytes]:
    return {f"/{name}.gz": gzip.compress(raw) for name, raw in idx_files.raw_files().items()}


def test_what_is_missing_is_fetched_once(tmp_path: Path) -> None:
    with mirror(packed()) as (url, asked):
        first = mnist.load({}, idx_files.sources(), (url,), tmp_path / "cache")
        assert len(asked) == 4
        second = mnist.load({}, idx_files.sources(), (url,), tmp_path / "cache")
        assert len(asked) == 4
    assert first.train_images.tobytes() == second.train_images.tobytes()
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == sorted(
        f"{name}.gz" for name in idx_files.NAMES
    )


def test_the_next_mirror_is_tried_after_wrong_content(tmp_path: Path) -> None:
    wrong = {path: gzip.compress(b"something else") for path in packed()}
    with mirror(wrong) as (bad, _), mirror({}) as (empty, _), mirror(packed()) as (good, asked):
        fetch(idx_files.sources(), (bad, empty, good), tmp_path)
    assert len(asked) == 4
    assert len(list(tmp_path.iterdir())) == 4


def test_every_mirror_s_reason_is_told_and_nothing_is_left(tmp_path: Path) -> None:
    name = idx_files.NAMES[0]
    cut = {f"/{name}.gz": packed()[f"/{name}.gz"][:20]}
    with (
        mirror(cut, announced=500) as (short, _),
        mirror({}) as (empty, _),
        pytest.raises(UnreachableError) as raised,
    ):
        fetch(idx_files.sources()[:1], (short, empty, "no scheme"), tmp_path)
    reasons = str(raised.value).splitlines()
    assert "cut after 20 of 500 bytes" in reasons[0] or "IncompleteRead" in reasons[0]
    assert "Not Found" in reasons[1]
    assert "unknown url type" in reasons[2]
    assert list(tmp_path.iterdir()) == []


def test_without_network_both_ways_out_are_named(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/"
    with pytest.raises(PipelineError) as raised:
        mnist.load({}, idx_files.sources(), (url,), tmp_path)
    message = str(raised.value)
    assert "MNIST could not be downloaded" in message
    assert "refused" in message
    assert "dataset=digits" in message
    assert "data_root=" in message


def test_a_silent_mirror_is_given_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(UnreachableError, match="timed out"):
            fetch(idx_files.sources()[:1], (url,), tmp_path, timeout=0.2)
