"""Running programs: what is shown on failure, and that nothing stays behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.errors import MissingTool, ToolError
from pipeline.tools.process import MARK, inside_quotes, run_tool
from pipeline.tools.watch import Watch


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def gone_soon(pid: int) -> bool:
    for _ in range(100):
        if not alive(pid):
            return True
        time.sleep(0.05)
    return False


def test_lines_are_streamed_logged_and_the_command_is_kept(tmp_path: Path) -> None:
    lines: list[str] = []
    log = tmp_path / "logs" / "tool.log"
    run_tool(python("print('a'); print('b c')"), log=log, env={"X": "1 2"}, on_line=lines.append)
    assert lines == ["a", "b c"]
    assert log.read_text() == "a\nb c\n"
    script = log.with_name("tool.log.sh")
    assert subprocess.run(["sh", script], capture_output=True, check=True).stdout == b"a\nb c\n"


def test_a_kept_command_does_the_same_once_its_caller_is_gone(tmp_path: Path) -> None:
    """From a caller that ended, in a folder of any name, with all the words and the settings."""
    folder = tmp_path / 'it\'s; a "bäd" $dir'
    folder.mkdir()
    code = (
        "import os, sys; from pathlib import Path; from pipeline.tools.process import run_tool;"
        "run_tool([sys.executable, '-c', 'import os, sys; print(os.getcwd(), os.environ[\"SET\"],"
        f" sys.argv[1])', sys.argv[1]], log=Path('{tmp_path}/tool.log'), cwd=Path(sys.argv[1]),"
        " env={'SET': sys.argv[1]})"
    )
    subprocess.run([*python(code), str(folder)], check=True)
    log = tmp_path / "tool.log"
    again = subprocess.run(
        ["sh", f"{log}.sh"], cwd="/", check=True, stdout=subprocess.PIPE, text=True
    )
    assert again.stdout == log.read_text() == f"{folder} {folder} {folder}\n"


def test_a_kept_command_can_follow_its_folder(tmp_path: Path) -> None:
    old, new = tmp_path / "it's.partial", tmp_path / "it's"
    old.mkdir()
    (old / "a").write_text("text\n")
    run_tool(["cat", old / "a"], log=old / "log", cwd=old)
    old.rename(new)
    script = new / "log.sh"
    script.write_text(script.read_text().replace(inside_quotes(old), inside_quotes(new)))
    assert subprocess.run(["sh", script], capture_output=True, check=True).stdout == b"text\n"


def test_the_advice_can_be_pasted(tmp_path: Path) -> None:
    log = tmp_path / "it's; a log"
    with pytest.raises(ToolError) as failure:
        run_tool(python("print('once'); raise SystemExit(7)"), log=log)
    advice = str(failure.value).rpartition("by hand: ")[2]
    again = subprocess.run(["sh", "-c", advice], capture_output=True, check=False)
    assert (again.returncode, again.stdout) == (7, b"once\n")


def test_failure_shows_the_tools_words_and_the_log(tmp_path: Path) -> None:
    log = tmp_path / "tool.log"
    with pytest.raises(ToolError, match=r"(?s)exit code 7.*cannot do it.*tool.log"):
        run_tool(python("print('cannot do it'); raise SystemExit(7)"), log=log)


def test_error_lines_fail_even_with_exit_code_zero(tmp_path: Path) -> None:
    code = "print('%Error: bad.v:3: no such signal')"
    with pytest.raises(ToolError, match="no such signal"):
        run_tool(python(code), log=tmp_path / "tool.log")
    run_tool(python(code), log=tmp_path / "tool.log", tool_errors=False)
    run_tool(python("print('0 errors, errorless')"), log=tmp_path / "tool.log")


def test_missing_program(tmp_path: Path) -> None:
    with pytest.raises(MissingTool, match="no-such-program"):
        run_tool(["no-such-program"], log=tmp_path / "tool.log")


def test_timeout_kills_the_whole_group(tmp_path: Path) -> None:
    code = "import subprocess; p = subprocess.Popen(['sleep', '60']); print(p.pid, flush=True)"
    code += "; p.wait()"
    pids: list[str] = []
    start = time.monotonic()
    with pytest.raises(ToolError, match="did not end within 1 s"):
        run_tool(python(code), log=tmp_path / "tool.log", timeout=1, on_line=pids.append)
    assert time.monotonic() - start < 20
    assert gone_soon(int(pids[0]))


def test_the_time_counts_from_when_the_work_begins(tmp_path: Path) -> None:
    """What a stage waits for another is not its own."""
    code = "import time; time.sleep(1.5); print('now', flush=True); time.sleep({})"

    def run(seconds: float) -> Watch:
        watch, log = Watch(), tmp_path / "tool.log"
        words = python(code.format(seconds))
        run_tool(words, log=log, watch=watch, on_line=lambda line: watch.begin(1))
        return watch

    assert run(0).struck is None
    with pytest.raises(ToolError, match="did not end within 1 s"):
        run(60)


def test_memory_of_all_it_started_counts(tmp_path: Path) -> None:
    child = "x = bytearray(b'1') * (150 << 20); import time; time.sleep(60)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    with pytest.raises(ToolError, match=r"took more than 0\.0977 GiB of memory"):
        run_tool(python(code), log=tmp_path / "tool.log", watch=Watch(100))


def test_grandchildren_in_groups_of_their_own_are_killed_too(tmp_path: Path) -> None:
    code = (
        "import subprocess; p = subprocess.Popen(['sleep', '60'], start_new_session=True);"
        "print(p.pid, flush=True); p.wait()"
    )
    pids: list[str] = []
    with pytest.raises(ToolError, match="did not end"):
        run_tool(python(code), log=tmp_path / "tool.log", timeout=1, on_line=pids.append)
    assert gone_soon(int(pids[0]))


def test_what_it_started_is_found_below_whichever_parent(tmp_path: Path) -> None:
    """Killed, a program hands its children on only at the very end, when its mark is gone."""
    others: list[subprocess.Popen[str]] = []
    children: list[int] = []

    def shelter(mark: str) -> None:
        words = ["sh", "-c", f"{MARK}={mark} sleep 60 & echo $!; exec sleep 60"]
        other = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, start_new_session=True)
        assert other.stdout is not None
        others.append(other)
        child = int(other.stdout.readline())
        while mark not in Path(f"/proc/{child}/environ").read_text():
            time.sleep(0.01)  # still the shell that is about to become it
        children.append(child)

    code = f"import os; print(os.environ['{MARK}'])"
    run_tool(python(code), log=tmp_path / "tool.log", on_line=shelter)
    try:
        assert gone_soon(children[0])
        assert alive(others[0].pid)
    finally:
        others[0].kill()


def test_the_program_gets_no_input(tmp_path: Path) -> None:
    lines: list[str] = []
    run_tool(
        python("import sys; print(repr(sys.stdin.read()))"),
        log=tmp_path / "tool.log",
        on_line=lines.append,
    )
    assert lines == ["''"]


def test_a_killed_caller_takes_the_program_with_it(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from pipeline.tools.process import run_tool;"
        f"run_tool(['sh', '-c', 'echo $$ > {tmp_path}/pid; exec sleep 60'],"
        f" log=Path('{tmp_path}/tool.log'))"
    )
    caller = subprocess.Popen(python(code))
    pid_file = tmp_path / "pid"
    for _ in range(200):
        if pid_file.exists() and pid_file.read_text().strip():
            break
        time.sleep(0.05)
    os.kill(caller.pid, signal.SIGKILL)
    caller.wait()
    assert gone_soon(int(pid_file.read_text()))


def test_a_program_gets_its_input_while_its_output_is_read(tmp_path: Path) -> None:
    lines: list[str] = []
    chunks = (b"x" * 1000 + b"\n" for _ in range(1000))
    run_tool(["cat"], log=tmp_path / "log", feed=chunks, on_line=lines.append)
    assert lines == ["x" * 1000] * 1000


def test_an_error_of_the_input_ends_the_program_and_is_raised(tmp_path: Path) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"one\n"
        raise OSError("the disk went away")

    with pytest.raises(OSError, match="the disk went away"):
        run_tool(["cat"], log=tmp_path / "log", feed=chunks())


def test_a_program_may_leave_its_input_unread(tmp_path: Path) -> None:
    run_tool(["true"], log=tmp_path / "log", feed=[bytes(1 << 20)] * 20)
