"""A worker process for tests of `synvid_eval.execute`, `python -m tests.obedient`: does what a task says."""

from __future__ import annotations

import json
import os
import signal
import sys
import time

import numpy as np

from synvid_eval import archive
from synvid_eval.execute import read_message, write_message


def main() -> None:
    """Tasks: {"do": "answer" | "crash" | "exit" | "hang" | "slow" | "late" | "bug", …}; see each branch."""
    pipe_in, pipe_out = sys.stdin.buffer, sys.stdout.buffer
    message = read_message(pipe_in)
    assert message is not None
    setup = json.loads(message[1])
    if setup.get("broken"):
        sys.exit(3)
    if (mark := setup.get("killed while it starts")) is not None:
        with open(mark, "a") as file:
            file.write("x")
        if os.path.getsize(mark) <= setup["times"]:
            os.kill(os.getpid(), signal.SIGKILL)
    write_message(pipe_out, b"M")
    while (message := read_message(pipe_in)) is not None:
        task = json.loads(message[1])
        write_message(pipe_out, b"D")
        match task["do"]:
            case "crash":
                os.kill(os.getpid(), signal.SIGSEGV)
            case "crash once":  # as a worker that the system kills for memory
                if not os.path.exists(task["mark"]):
                    open(task["mark"], "w").close()
                    os.kill(os.getpid(), signal.SIGKILL)
            case "kill parent":  # as a clip for which the system kills all that has to do with it
                os.kill(os.getppid(), signal.SIGKILL)
                time.sleep(0.2)
            case "kill parent once":
                if not os.path.exists(task["mark"]):
                    open(task["mark"], "w").close()
                    os.kill(os.getppid(), signal.SIGKILL)
                    time.sleep(0.2)
            case "known":
                facts = {"message": "No such photograph.", "traceback": "", "code": 3, "hint": "Install it."}
                write_message(pipe_out, b"E", json.dumps(facts).encode())
                return
            case "exit":
                sys.exit(7)
            case "hang":
                time.sleep(1000)
            case "slow":  # a frame now and then
                for _ in range(8):
                    time.sleep(task["pause"])
                    write_message(pipe_out, b"D")
            case "late":  # measuring, for longer than a frame may take
                write_message(pipe_out, b"M")
                time.sleep(task["pause"])
            case "wait":
                time.sleep(task["pause"])
            case "bug":
                facts = {"message": "ValueError: planted", "traceback": "Traceback: here"}
                write_message(pipe_out, b"E", json.dumps(facts).encode())
                return
        arrays = {"x": np.full(3, task["value"], np.float64)}
        write_message(pipe_out, b"R", archive.pack(arrays, {"pid": os.getpid(), "value": task["value"]}))
        if task["do"] == "die after":
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
