"""`recommend_partitions` as Spark calls it."""

import shutil
import sys

import pandas as pd
import pytest

from mgnm_tf.serving import Recommender
from mgnm_tf.serving import recommend_partitions
from tests.export.worlds import export_sums
from tests.serving.folders import made_events


@pytest.fixture
def spark(monkeypatch):
    """A Spark of two workers on this machine."""
    sql = pytest.importorskip("pyspark.sql", reason="needs pyspark")
    if shutil.which("java") is None:
        pytest.skip("needs Java")
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    monkeypatch.setenv("PYSPARK_DRIVER_PYTHON", sys.executable)
    local = {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "3",
        # Frames end within users.
        "spark.sql.execution.arrow.maxRecordsPerBatch": "7",
    }
    builder = sql.SparkSession.builder.master("local[2]")
    session = builder.config(map=local).getOrCreate()
    yield session
    session.stop()


@pytest.mark.large
@pytest.mark.filterwarnings("ignore")
def test_spark_gives_what_one_table_gives(spark, tmp_path):
    export = str(export_sums(tmp_path / "served"))
    # Moments differ, so that an order without the rows' is enough.
    table = made_events(40)
    table["timestamp"] = range(len(table))
    found = (
        spark.createDataFrame(table)
        .repartition("user_id")
        .sortWithinPartitions("user_id", "timestamp")
        .mapInPandas(
            lambda frames: recommend_partitions(frames, export, k=3),
            "user_id string, rank int, item_id string, score float",
        )
        .toPandas()
    )
    expected = Recommender.load(export).recommend(table, k=3)
    both = [
        one.sort_values(["user_id", "rank"], ignore_index=True)
        for one in (found, expected)
    ]
    assert len(both[0]) == len(both[1])
    pd.testing.assert_frame_equal(*both, check_dtype=False)
