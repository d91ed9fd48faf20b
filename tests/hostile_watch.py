"""Load hostile study files in a process of its own while an audit hook watches what they bring about.

Prints a JSON list with an entry a file: the error, how long it took, and every event of files, processes,
imports, sockets and code that was seen.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from bayes_alliance.errors import InputError
from bayes_alliance.study.load_study import load_study
from tests.corpus_study import write_study
from tests.hostile import study_files

WATCHED = ("import", "exec", "compile", "socket.", "subprocess.", "ctypes.", "pickle.", "marshal.", "urllib.")
OS_READING = ("os.listdir", "os.scandir", "os.stat", "os.getxattr")


class Watch:
    """An audit hook; it can be switched off, but never removed."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)
        self.seen: list[str] = []
        self.on = False

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self.on:
            return
        if event == "open":
            path, mode = str(arguments[0]), str(arguments[1] or "r")
            if set(mode) & set("wax+") or not path.startswith(self.folder):
                self.seen.append(f"open {path[:80]} {mode}")
        elif event.startswith(WATCHED) or (event.startswith(("os.", "shutil.")) and event not in OS_READING):
            self.seen.append(f"{event} {str(arguments)[:80]}")


def main(folder: Path) -> None:
    """Load every file; then, to prove that the hook sees, evaluate one harmless expression."""
    write_study(folder)
    load_study(folder)
    (folder / "folder").mkdir()
    (folder / "link.csv").symlink_to("/etc/passwd")
    cases = list(study_files())
    # What the first refusal imports (difflib) is no doing of the file's.
    (folder / "study.toml").write_text("[study]\nidd = 1\n")
    refuse(folder)
    watch = Watch(folder)
    sys.addaudithook(watch)
    before = sorted(path.name for path in folder.iterdir())
    found = []
    for content in cases:
        raw = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
        (folder / "study.toml").write_bytes(raw)
        watch.seen = []
        started = time.perf_counter()
        watch.on = True
        said = refuse(folder)
        watch.on = False
        seconds = time.perf_counter() - started
        found.append(
            {"said": said, "seconds": seconds, "seen": watch.seen, "start": raw[:200].decode("latin-1")}
        )
    watch.seen, watch.on = [], True
    eval("__import__('colorsys')")
    watch.on = False
    untouched = sorted(path.name for path in folder.iterdir()) == before
    print(json.dumps({"cases": found, "control": watch.seen, "untouched": untouched}))  # noqa: T201


def refuse(folder: Path) -> str:
    """Load the study; give what was said, or an empty string where nothing was."""
    try:
        load_study(folder)
    except InputError as error:
        return str(error)
    return ""


if __name__ == "__main__":
    main(Path(sys.argv[1]))
