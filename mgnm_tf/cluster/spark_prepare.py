"""`mgnm prepare --engine spark`, as a file that `spark-submit` can start.

    spark-submit --master yarn spark_prepare.py logs/ --out data/mine

takes the arguments of `mgnm prepare`; so does
`python -m mgnm_tf.cluster.spark_prepare`.
"""

import runpy
import sys

if __name__ == "__main__":
    sys.argv[1:] = ["prepare", *sys.argv[1:], "--engine", "spark"]
    runpy.run_module("mgnm_tf", run_name="__main__")
