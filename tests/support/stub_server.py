"""A program that stands for ``vllm serve`` in tests: ``stub_server.py MODEL --port P [MOOD]``.

It writes its process id, that of a worker of its own and that of its guard into ``$STUB_PIDS``, with the GPUs that it may use. Moods: ``slow``
answers ``/health`` with 503 first, ``dies`` says why and ends, ``never`` is never up.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import lying_server
from known_replies import honest


class Handler(lying_server.Handler):
    looks = 0

    def do_GET(self) -> None:
        if self.path != "/health":
            super().do_GET()
        elif MOOD == "never" or (MOOD == "slow" and Handler.looks < 3):
            Handler.looks += 1
            self.send(503, {"error": "loading model"})
        else:
            self.send(200, {})


def main(model: str, port: int) -> None:
    worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    seen = {"pids": [os.getpid(), worker.pid, os.getppid()], "gpus": os.environ.get("CUDA_VISIBLE_DEVICES")}
    with (Path(os.environ["STUB_PIDS"])).open("a") as file:
        file.write(json.dumps(seen) + "\n")
    if MOOD == "dies":
        sys.exit("ValueError: the model does not fit")
    lying_server.Handler = Handler
    with lying_server.LyingServer(then=honest, models=(model,), port=port):
        time.sleep(600)


if __name__ == "__main__":
    MOOD = sys.argv[4] if len(sys.argv) > 4 else "good"
    main(sys.argv[1], int(sys.argv[3]))
