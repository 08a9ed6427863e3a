"""The cores of a process, where the system tells them and where not."""

import os
import subprocess
import sys
import textwrap

from mgnm_tf.utils.cores import usable_cores


def test_those_that_the_process_may_use_count():
    if not hasattr(os, "sched_getaffinity"):
        assert usable_cores() == list(range(os.cpu_count()))
        return
    script = textwrap.dedent("""
        import os
        from mgnm_tf.utils.cores import keep_to, usable_cores
        last = usable_cores()[-1]
        keep_to({last})
        assert usable_cores() == [last]
    """)
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_training_needs_no_system_that_tells_them(tmp_path):
    script = textwrap.dedent("""
        import os, sys
        import pandas as pd
        if hasattr(os, "sched_getaffinity"):
            del os.sched_getaffinity, os.sched_setaffinity
        from mgnm_tf.data.prepare import prepare
        from mgnm_tf.runs.run import Run
        from mgnm_tf.training.fit import train
        from mgnm_tf.utils.cores import keep_to
        keep_to({0})
        log = pd.DataFrame(
            [(user, (3 * user + step) % 29, step)
             for user in range(20) for step in range(10)],
            columns=["user_id", "item_id", "timestamp"],
        )
        folder = sys.argv[1]
        data = prepare(log, folder + "/data")
        few = {"epochs": 1, "negatives": 9, "verbose": 0}
        train(data, "gru4rec", folder + "/run", **few)
        cores = os.cpu_count()
        device = Run(folder + "/run").environment["device"]
        assert device == f"CPU ({cores} cores)", device
    """)
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        check=True,
        env=environment,
    )
