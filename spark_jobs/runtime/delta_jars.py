"""Where local Apache Spark finds the classes of Delta: in the cache of an earlier download, or in Maven."""

from __future__ import annotations

import os
from pathlib import Path

# The release must read its own checkpoints (one per ten commits) on pyspark's version of Spark: 4.1.0 and 4.2.0 call
# a constructor that Spark 4.1.4 no longer has. https://docs.delta.io/latest/releases.html
DELTA_PACKAGE = "io.delta:delta-spark_4.1_2.13:4.3.1"

# What the package needs and Spark does not have, as Ivy keeps it. Ivy moves a jar there when it is complete.
_JARS = (
    "io.delta/delta-spark_4.1_2.13/jars/delta-spark_4.1_2.13-4.3.1.jar",
    "io.delta/delta-storage/jars/delta-storage-4.3.1.jar",
    "io.delta/delta-kernel-api/jars/delta-kernel-api-4.3.1.jar",
    "io.delta/delta-kernel-defaults/jars/delta-kernel-defaults-4.3.1.jar",
    "io.delta/delta-kernel-unitycatalog/jars/delta-kernel-unitycatalog-4.3.1.jar",
    "io.unitycatalog/unitycatalog-client/jars/unitycatalog-client-0.5.0.jar",
    "io.unitycatalog/unitycatalog-hadoop/jars/unitycatalog-hadoop-0.5.0.jar",
    "com.fasterxml.jackson.datatype/jackson-datatype-jdk8/bundles/jackson-datatype-jdk8-2.13.5.jar",
    "javax.annotation/javax.annotation-api/jars/javax.annotation-api-1.3.2.jar",
)


def ivy_cache() -> Path:
    """The folder in which Spark 4.1 keeps what it has downloaded."""
    return Path.home() / ".ivy2.5.2" / "cache"


def delta_settings(cache: Path) -> dict[str, str]:
    """The settings of a session by which it finds Delta.

    Jars on the class path, if an earlier session has downloaded them: as a package, Ivy resolves 33 of them in each
    session, Spark copies them, and every class of Delta is looked for in all of Spark's jars first.

    Args:
        cache: ``ivy_cache``.
    """
    jars = [cache / jar for jar in _JARS]
    if all(jar.is_file() for jar in jars):
        return {"spark.driver.extraClassPath": os.pathsep.join(map(str, jars))}
    return {"spark.jars.packages": DELTA_PACKAGE}
